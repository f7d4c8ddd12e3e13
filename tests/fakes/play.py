"""Plays operations against scripted or computed answers, without sockets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from labelloop.label_studio import Operation, Request, Response

T = TypeVar("T")
SAMPLES = Path(__file__).parents[1] / "samples" / "label-studio"
URL = "http://label-studio.example:8080"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def answer(value: object = None, status: int = 200, **more: Any) -> Response:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Response(status, {"content-type": "application/json"}, body, url=f"{URL}/api/some", **more)


def play(operation: Operation[T], respond: Callable[[Request], Response]) -> tuple[T, list[Request]]:
    """Result and the requests that were made."""
    requests: list[Request] = []
    try:
        request = next(operation)
        while True:
            requests.append(request)
            request = operation.send(respond(request))
    except StopIteration as stop:
        result: T = stop.value
        return result, requests


def script(*answers: Response) -> Callable[[Request], Response]:
    left = list(answers)
    return lambda request: left.pop(0)
