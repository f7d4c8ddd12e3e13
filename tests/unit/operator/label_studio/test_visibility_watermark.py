from datetime import UTC, datetime, timedelta

from labelloop_operator.label_studio.visibility_watermark import VisibilityWatermark

START = datetime(2026, 1, 1, tzinfo=UTC)


def moment(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def test_changes_can_be_seen_up_to_the_newest_once_it_is_old() -> None:
    visible = VisibilityWatermark()
    assert visible.safe_until is None
    visible.observe(moment(100), 0.0)
    assert visible.safe_until == moment(90)
    visible.observe(moment(100), 9.9)
    assert visible.safe_until == moment(90)
    visible.observe(moment(100), 10.0)
    assert visible.safe_until == moment(100)
    visible.observe(moment(103), 11.0)
    assert visible.safe_until == moment(100)
    visible.observe(moment(200), 12.0)
    assert visible.safe_until == moment(190)


def test_a_newest_change_that_goes_back_starts_anew() -> None:
    visible = VisibilityWatermark()
    visible.observe(moment(100), 0.0)
    visible.observe(moment(100), 60.0)
    visible.observe(moment(50), 61.0)
    assert visible.safe_until == moment(40)
    visible.observe(None, 62.0)
    assert visible.safe_until is None
