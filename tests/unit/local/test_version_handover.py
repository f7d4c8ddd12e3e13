"""The rule by which workers change versions: no pair of `/setup` and `/predict` disagrees."""

from hypothesis import given
from hypothesis import strategies as st

from labelloop.local.version_handover import PAIR_SECONDS, PATIENCE_SECONDS, Handover, Hold, advance, on_setup

OLD, NEW = "model-000000000001", "model-000000000002"


def setup(agreement: Handover, now: float, wanted: str = NEW, ready: bool = True) -> Handover | Hold:
    return on_setup(advance(agreement, wanted, ready=ready, now=now), now)


def test_without_a_request_a_new_version_is_announced_at_once():
    assert advance(Handover(OLD), NEW, ready=True, now=0).announced == NEW


def test_a_version_waits_until_every_worker_has_it():
    assert advance(Handover(OLD), NEW, ready=False, now=100).announced == OLD


def test_a_version_waits_for_the_predict_that_follows_the_last_setup():
    fresh = Handover(OLD, setup_at=10)
    assert advance(fresh, NEW, ready=True, now=10 + PAIR_SECONDS / 2).announced == OLD
    assert advance(fresh, NEW, ready=True, now=10 + PAIR_SECONDS).announced == NEW


def test_nobody_waits_while_a_gap_may_come_by_itself():
    agreement = Handover(OLD, setup_at=10, ready_since=10)
    answer = setup(agreement, 10 + PATIENCE_SECONDS - 0.1)
    # The last answer is older than a pair: announced right away; with a younger one the old version is reported.
    assert isinstance(answer, Handover)
    assert answer.announced == NEW
    told = setup(Handover(OLD, setup_at=13.5, ready_since=10), 13.6)
    assert isinstance(told, Handover)
    assert (told.announced, told.setup_at) == (OLD, 13.6)


def test_under_steady_load_setup_is_held_for_less_than_label_studio_waits():
    held = setup(Handover(OLD, setup_at=13.9, ready_since=10), 10 + PATIENCE_SECONDS)
    assert isinstance(held, Hold)
    assert 0 < held.seconds <= PAIR_SECONDS < 3


def test_going_back_before_the_switch_changes_nothing():
    waiting = Handover(OLD, setup_at=10, ready_since=10.5)
    assert advance(waiting, OLD, ready=False, now=11) == Handover(OLD, setup_at=10)


@given(
    st.lists(
        st.tuples(st.floats(0, 3), st.floats(0, PAIR_SECONDS * 0.99), st.sampled_from([OLD, NEW]), st.booleans()),
        max_size=40,
    )
)
def test_pairs_never_disagree_whatever_comes_and_goes(events: list[tuple[float, float, str, bool]]):
    """Each event: seconds since the last one, how long after its `/setup` the `/predict` comes, what is wanted."""
    agreement, now = Handover(OLD), 0.0
    outstanding: list[tuple[float, str]] = []
    for pause, length, wanted, ready in events:
        now += pause
        agreement, outstanding = predicts_until(now, agreement, outstanding)
        agreement = advance(agreement, wanted, ready=ready, now=now)
        answer = on_setup(agreement, now)
        if isinstance(answer, Handover):
            agreement = answer
            outstanding.append((now + length, agreement.announced))
    predicts_until(now + 10, agreement, outstanding)


def predicts_until(
    now: float, agreement: Handover, outstanding: list[tuple[float, str]]
) -> tuple[Handover, list[tuple[float, str]]]:
    """Whatever was announced when a `/setup` was answered is still announced when its `/predict` comes."""
    for at, version in outstanding:
        assert at > now or agreement.announced == version
    return agreement, [(at, version) for at, version in outstanding if at > now]


@given(st.lists(st.floats(0.001, 0.2), min_size=200, max_size=200))
def test_a_version_is_announced_in_time_under_any_load(pauses: list[float]):
    agreement, now, wait = Handover(OLD, setup_at=0), 0.0, PATIENCE_SECONDS + PAIR_SECONDS + 0.5
    for pause in pauses:
        now += pause
        agreement = advance(agreement, NEW, ready=True, now=now)
        answer = on_setup(agreement, now)
        agreement = answer if isinstance(answer, Handover) else agreement
    assert agreement.announced == NEW or now < wait
