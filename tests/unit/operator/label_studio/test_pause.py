"""How long a project is left alone between two scans."""

import pytest

from labelloop_operator.label_studio.project_monitor import GAP, pause_after


@pytest.mark.parametrize(
    ("seconds", "poll", "pause"),
    [
        (0.1, 30.0, GAP),
        (9.9, 30.0, GAP),
        (12.5, 30.0, 25.0),
        (12.5, 4.0, 4.0),
        (60.0, 30.0, 30.0),
        (60.0, 0.1, GAP),
    ],
)
def test_a_long_scan_is_followed_by_a_long_pause_but_never_by_a_longer_one_than_the_poll_interval(
    seconds: float, poll: float, pause: float
) -> None:
    assert pause_after(seconds, poll) == pause
