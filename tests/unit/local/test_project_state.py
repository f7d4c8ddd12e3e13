from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop.counting.updates import Cut
from labelloop.local.project_state import MAX_HISTORY, Last, ProjectState, Promoted, StateError

NOW = datetime(2026, 11, 22, 6, 0, 0, 123456, UTC)
FULL = ProjectState(
    key="7.1795325720",
    current="model-000000000002",
    cut=Cut(NOW, 12),
    repeat_edits=3,
    failures=2,
    not_before=NOW,
    handled_request="5",
    last=Last("a", "Trained", "Trained", "12 tasks", NOW.isoformat()),
    history=(Promoted("model-000000000001", "", {"accuracy": 0.5}), Promoted("model-000000000002", "")),
)


@pytest.mark.parametrize("state", [ProjectState(), FULL])
def test_what_was_written_is_read(state: ProjectState):
    assert ProjectState.from_json(state.to_json()) == state


@given(st.binary(max_size=40) | st.integers(0, len(FULL.to_json())).map(lambda size: FULL.to_json()[:size]))
def test_a_damaged_document_is_told(content: bytes):
    if content == FULL.to_json() or content == FULL.to_json()[:-1]:
        return
    with pytest.raises(StateError):
        ProjectState.from_json(content)


@pytest.mark.parametrize("content", [b'{"format": 2}', b"[]", b"null", b"{}", b'{"format": 1, "key": 3}'])
def test_a_foreign_document_is_told(content: bytes):
    with pytest.raises(StateError):
        ProjectState.from_json(content)


def test_a_promotion_moves_a_known_version_to_the_end_and_the_history_has_an_end():
    state = FULL.promoted(Promoted("model-000000000001", "now"))
    assert [entry.version for entry in state.history] == ["model-000000000002", "model-000000000001"]
    assert state.current == "model-000000000001"
    for number in range(MAX_HISTORY + 5):
        state = state.promoted(Promoted(f"model-{number:012x}", ""))
    assert len(state.history) == MAX_HISTORY


def test_a_used_count_starts_anew():
    after = FULL.consumed(Cut(NOW, 20))
    assert (after.cut.size, after.repeat_edits, after.failures, after.not_before) == (20, 0, 0, None)
