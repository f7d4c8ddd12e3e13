"""A failure and its next attempt are two sentences, however the failure's message ends."""

from datetime import UTC, datetime

import pytest

from labelloop_operator.policies.retry_message import tried_again

AT = datetime(2026, 12, 1, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize("message", ["registry:5000 does not answer", "registry:5000 does not answer."])
def test_sentences_are_separated(message: str) -> None:
    told = "registry:5000 does not answer. Failed 2 times in a row; tried again at 2026-12-01T08:30:00Z."
    assert tried_again(message, 2, AT) == told


def test_the_first_failure_is_not_in_a_row() -> None:
    assert tried_again("no answer.", 1, AT) == "no answer. Failed once; tried again at 2026-12-01T08:30:00Z."


def test_no_message_leaves_no_stray_stop() -> None:
    assert tried_again("", 1, AT) == "Failed once; tried again at 2026-12-01T08:30:00Z."
