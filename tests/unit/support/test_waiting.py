"""Waiting gives what was waited for, or tells why it never came."""

import pytest
from tests.support.waiting import StepError, eventually, throughout


def test_the_first_true_answer_is_given():
    answers = iter([None, 0, "", "here"])
    assert eventually(lambda: next(answers), 5, "never", interval=0) == "here"


def test_the_deadline_tells_the_message_and_the_last_failed_assertion():
    def never() -> bool:
        raise AssertionError("still three")

    with pytest.raises(AssertionError, match="not within 0 s: two left") as told:
        eventually(never, 0, lambda: "two left", interval=0)
    assert "still three" in str(told.value.__cause__)


def test_what_was_awaited_and_what_is_there_are_told_apart():
    with pytest.raises(StepError) as told:
        eventually(lambda: None, 0, "pod a ready", interval=0, details=lambda: "pod a\npulls its image")
    assert told.value.summary == "not within 0 s: pod a ready"
    assert told.value.details == "pod a\npulls its image"
    assert str(told.value) == "not within 0 s: pod a ready\npod a\npulls its image"


def test_other_errors_are_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        eventually(lambda: 1 // 0, 5, "never")


def test_a_condition_that_breaks_off_is_told():
    answers = iter([True, True, False])
    with pytest.raises(AssertionError, match="gone"):
        throughout(5, lambda: next(answers), "gone", interval=0)
