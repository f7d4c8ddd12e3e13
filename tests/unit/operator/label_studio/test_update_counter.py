from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from labelloop.counting.updates import Count, Pending
from labelloop_operator.api.status import Cut
from labelloop_operator.label_studio.update_counter import MOST_TOLD, UpdateCounter

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def count(newest: dict[int, int]) -> Count:
    return Count(
        Pending(len(newest), 0, 0, {key: at(value) for key, value in newest.items()}), len(newest), settled=True
    )


def repeats(tally: UpdateCounter) -> int:
    assert tally.facts is not None
    return tally.facts.repeat_edits_seen


def counted(tally: UpdateCounter, newest: dict[int, int]) -> None:
    tally.begin()
    tally.counted(count(newest), START)


def test_before_the_first_count_nothing_is_known() -> None:
    assert UpdateCounter(Cut()).facts is None


def test_a_pending_annotation_found_newer_is_a_repeat_edit() -> None:
    tally = UpdateCounter(Cut())
    counted(tally, {1: 10, 2: 10})
    assert repeats(tally) == 0
    counted(tally, {1: 20, 2: 10, 3: 20})
    assert repeats(tally) == 1


def test_told_and_then_counted_is_one_edit() -> None:
    tally = UpdateCounter(Cut())
    counted(tally, {1: 10})
    for _ in range(3):
        tally.record_webhook([(1, at(20))])
    counted(tally, {1: 20})
    assert repeats(tally) == 1


def test_what_is_told_while_no_count_succeeds_is_bounded() -> None:
    tally = UpdateCounter(Cut())
    counted(tally, {1: 10})
    others = range(2, 2 * MOST_TOLD)
    for annotation in others:
        tally.begin()
        tally.record_webhook([(annotation, at(20))])
    kept = sum(tally.record_webhook([(annotation, at(30))]) for annotation in others)
    assert kept == MOST_TOLD
    assert tally.record_webhook([(1, at(30))])
    counted(tally, {1: 30})
    assert [tally.record_webhook([(others[-1], at(moment))]) for moment in (40, 50)] == [False, True]


def test_two_edits_told_apart_before_any_count_are_two_updates() -> None:
    tally = UpdateCounter(Cut())
    tally.record_webhook([(1, at(10))])
    tally.record_webhook([(1, at(20))])
    counted(tally, {1: 20})
    assert repeats(tally) == 1


def test_what_is_told_while_counting_is_not_lost() -> None:
    tally = UpdateCounter(Cut())
    counted(tally, {1: 10})
    tally.begin()
    tally.record_webhook([(1, at(20))])
    tally.counted(count({1: 10}), START)
    counted(tally, {1: 20})
    assert repeats(tally) == 1


def test_what_the_cut_has_consumed_does_not_count() -> None:
    tally = UpdateCounter(Cut(at(100), 5))
    tally.record_webhook([(1, at(50))])
    tally.record_webhook([(1, at(60))])
    counted(tally, {})
    assert repeats(tally) == 0


def test_a_new_cut_voids_everything() -> None:
    tally = UpdateCounter(Cut())
    counted(tally, {1: 10})
    tally.record_webhook([(1, at(20))])
    assert tally.reset(Cut(at(30), 1))
    assert tally.facts is None
    assert not tally.reset(Cut(at(30), 1))
    counted(tally, {})
    assert repeats(tally) == 0


def test_only_what_was_written_is_forgotten() -> None:
    tally = UpdateCounter(Cut())
    counted(tally, {1: 10})
    tally.record_webhook([(1, at(20))])
    written = repeats(tally)
    tally.record_webhook([(1, at(30))])
    tally.acknowledge_repeats(written)
    assert repeats(tally) == 1


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.booleans()), max_size=25))
def test_edits_told_or_counted_one_by_one_are_never_doubled(edits: list[tuple[int, bool, bool]]) -> None:
    """Each edit moves one annotation's time on; it may be reported, counted, both or neither."""
    tally = UpdateCounter(Cut())
    state: dict[int, int] = {}
    seen: set[int] = set()
    expected = 0
    for second, (annotation, is_told, is_counted) in enumerate(edits, start=1):
        state[annotation] = second
        if is_told:
            expected += annotation in seen
            seen.add(annotation)
            tally.record_webhook([(annotation, at(second))] * 2)
        if is_counted:
            counted(tally, state)
    counted(tally, state)
    assert repeats(tally) >= 0
    assert repeats(tally) <= len(edits) - len(state) if edits else repeats(tally) == 0
    if all(is_told for _, is_told, _ in edits):
        assert repeats(tally) == expected
