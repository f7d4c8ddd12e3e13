import pytest

from labelloop.label_studio.errors import LabelStudioError, NotFound
from labelloop.label_studio.protocol import Operation, Request, Response
from labelloop_operator.kubernetes.api_errors import NotLeading
from labelloop_operator.label_studio.leadership_guard import require_leadership

ANSWER = Response(200, {}, b"{}", "http://label-studio", True)


def action() -> Operation[str]:
    """Looks, writes, and writes again; a look that fails is reported in the result."""
    try:
        yield Request("GET", "/look")
    except LabelStudioError:
        return "failed"
    yield Request("POST", "/first")
    yield Request("PATCH", "/second")
    return "done"


def test_while_leading_it_is_the_operation_itself() -> None:
    operation = require_leadership(action(), lambda: True)
    assert next(operation).path == "/look"
    assert operation.send(ANSWER).path == "/first"
    assert operation.send(ANSWER).path == "/second"
    with pytest.raises(StopIteration) as ended:
        operation.send(ANSWER)
    assert ended.value.value == "done"


def test_a_lease_lost_half_way_stops_it_before_the_next_write() -> None:
    leading = [True]
    operation = require_leadership(action(), lambda: leading[0])
    next(operation)
    assert operation.send(ANSWER).path == "/first"
    leading[0] = False
    with pytest.raises(NotLeading, match="PATCH"):
        operation.send(ANSWER)


def test_reads_are_free() -> None:
    operation = require_leadership(action(), lambda: False)
    assert next(operation).path == "/look"
    with pytest.raises(NotLeading, match="POST"):
        operation.send(ANSWER)


def test_failures_reach_the_operation() -> None:
    operation = require_leadership(action(), lambda: True)
    next(operation)
    with pytest.raises(StopIteration) as ended:
        operation.throw(NotFound("gone"))
    assert ended.value.value == "failed"
