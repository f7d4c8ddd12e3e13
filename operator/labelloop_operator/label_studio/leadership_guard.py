"""Several requests make one action in Label Studio: a replica that loses its lease half-way stops before the next."""

from collections.abc import Callable
from typing import TypeVar

from labelloop.label_studio.errors import LabelStudioError
from labelloop.label_studio.protocol import Operation
from labelloop_operator.kubernetes.api_errors import NotLeading

T = TypeVar("T")


def require_leadership(operation: Operation[T], may_write: Callable[[], bool]) -> Operation[T]:
    """The operation, ended with NotLeading before a request that changes something which may not be sent any more."""
    try:
        request = next(operation)
        while True:
            if request.method != "GET" and not may_write():
                raise NotLeading(f"{request.method} in Label Studio")
            try:
                response = yield request
            except LabelStudioError as error:
                request = operation.throw(error)
            else:
                request = operation.send(response)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        operation.close()
