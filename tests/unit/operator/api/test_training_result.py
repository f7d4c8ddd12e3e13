"""What a training's result means; whatever a pod wrote, nothing raises."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.status import Cut
from labelloop_operator.api.training_result import GateVerdict, OutcomeKind, read_outcome

CUT = {"updated_at": "2026-11-22T06:00:00.123456Z", "size": 312}
TRAINED: dict[str, Any] = {
    "format": 1, "outcome": "Trained", "reason": "Trained", "message": "312 tasks", "version": "model-1",
    "dataset_digest": "sha256:2", "cut": CUT, "metrics": {"accuracy": 0.71, "macro_f1": 0.69123456, "examples": 60},
    "removed_labels": ["old label"], "image": "r/x@sha256:1", "snapshot": "r/x/snapshot@sha256:3",
}  # fmt: skip


def test_a_trained_model_is_read_with_metrics_as_text() -> None:
    found = read_outcome(TRAINED)
    assert (found.kind, found.reason, found.message) == (OutcomeKind.TRAINED, Reason.TRAINED, "312 tasks")
    assert found.model is not None
    assert (found.model.version, found.model.image, found.model.dataset_digest) == (
        "model-1",
        "r/x@sha256:1",
        "sha256:2",
    )
    assert found.model.metrics == {"accuracy": "0.71", "macro_f1": "0.6912", "examples": "60"}
    assert found.cut == Cut(datetime(2026, 11, 22, 6, 0, 0, 123456, tzinfo=UTC), 312)
    assert (found.snapshot, found.removed_labels) == ("r/x/snapshot@sha256:3", ("old label",))


@pytest.mark.parametrize("lost", ["image", "version", "cut"])
def test_a_trained_model_without_what_is_needed_is_a_failure(lost: str) -> None:
    found = read_outcome({key: value for key, value in TRAINED.items() if key != lost})
    assert (found.kind, found.reason) == (OutcomeKind.FAILED, Reason.UNKNOWN)


@pytest.mark.parametrize(
    ("outcome", "reason", "read"),
    [
        ("NotEnoughData", "TooFewLabels", Reason.TOO_FEW_LABELS),
        ("NotEnoughData", "NoUsableAnnotations", Reason.NO_USABLE_ANNOTATIONS),
        ("NotEnoughData", "SomethingNew", Reason.NOT_ENOUGH_DATA),
        ("Unchanged", "Unchanged", Reason.UNCHANGED),
        ("Failed", "RegistryUnreachable", Reason.REGISTRY_UNREACHABLE),
        ("Failed", "SomethingNew", Reason.UNKNOWN),
        ("Exploded", "x", Reason.UNKNOWN),
    ],
)
def test_reasons_are_known_ones(outcome: str, reason: str, read: Reason) -> None:
    assert read_outcome({"outcome": outcome, "reason": reason, "message": "m", "cut": CUT}).reason is read


GATE = {"accepted": True, "reason": "Passed", "message": "0.71 against 0.70", "figures": {"p_value": 1.0}}


def test_the_gates_verdict_is_read_beside_the_outcome() -> None:
    found = read_outcome({**TRAINED, "gate": GATE})
    assert found.gate == GateVerdict(True, Reason.PASSED, "0.71 against 0.70")


def test_a_refused_model_is_named_and_its_updates_are_used_up() -> None:
    found = read_outcome({**TRAINED, "outcome": "Refused", "gate": {**GATE, "reason": "BelowMinimum"}})
    assert (found.kind, found.reason) == (OutcomeKind.REFUSED, Reason.TRAINED)
    assert (found.model is not None, found.cut is not None) == (True, True)
    assert found.gate == GateVerdict(False, Reason.BELOW_MINIMUM, "0.71 against 0.70")


@pytest.mark.parametrize("gate", [None, "no", {}, {"reason": 3, "message": None}])
def test_a_refusal_without_a_readable_verdict_stays_one(gate: Any) -> None:
    found = read_outcome({**TRAINED, "outcome": "Refused", "gate": gate})
    assert found.gate is not None
    assert (found.gate.accepted, found.gate.reason) == (False, Reason.UNKNOWN)


def test_an_empty_project_has_a_cut_too() -> None:
    found = read_outcome({"outcome": "NotEnoughData", "cut": {"updated_at": None, "size": 0}})
    assert (found.kind, found.cut) == (OutcomeKind.NOT_ENOUGH_DATA, Cut())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(TRAINED)), JSON), st.sampled_from([*OutcomeKind, "", None]))
def test_no_result_raises(result: dict[str, Any], outcome: str | None) -> None:
    found = read_outcome({**result, "outcome": outcome})
    assert found.kind is OutcomeKind.FAILED or found.cut is not None
