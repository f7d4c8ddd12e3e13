"""Status: what is written comes back, and nothing that stands there can stop the operator."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labelloop_operator.api.conditions import Condition, ConditionStatus, ConditionType
from labelloop_operator.api.predictions_status import PredictionsOutcome, PredictionsStatus
from labelloop_operator.api.rebase_status import Rebase, RebaseOutcome
from labelloop_operator.api.registry_status import RegistryStatus
from labelloop_operator.api.status import (
    Cut,
    Failure,
    LabelStudioStatus,
    ModelStatus,
    ModelVersion,
    Refusal,
    Status,
    TrainingStatus,
)

NOW = datetime(2026, 11, 22, 6, 0, 0, 123456, tzinfo=UTC)
ACTIVE = ModelVersion("model-1", "r/x@sha256:1", "sha256:2", {"accuracy": "0.71"}, NOW, "r/base:1")
FULL = Status(
    observed_generation=3,
    url="http://intents-ml.team-a.svc.cluster.local:9090",
    replicas=2,
    selector="a=b",
    conditions=(Condition(ConditionType.READY, ConditionStatus.TRUE, "Ready", "fine", 3, NOW.replace(microsecond=0)),),
    training=TrainingStatus(
        cut=Cut(NOW, 312),
        pending_updates=7,
        repeat_edits=1,
        job="intents-ml-train-0123456789",
        handled_request="2026-11-22T06:00:00.123456Z",
        snapshot="r/x/snapshot@sha256:3",
        last_outcome="Failed",
        last_failure=Failure("RegistryUnreachable", "r does not answer", NOW),
        consecutive_failures=1,
        attempt=1,
        next_not_before=NOW,
    ),
    model=ModelStatus(
        active=ACTIVE,
        candidate=ModelVersion("model-2", "r/x@sha256:4", at=NOW),
        refused=(Refusal("model-0", "r/x@sha256:0", "ProgressDeadlineExceeded", NOW),),
        history=(ModelVersion("cold-1", "r/base"),),
        rebase=Rebase("model-1", "r/base:2", "intents-ml-base-0123456789", RebaseOutcome.FAILED, "r is silent", 2, NOW),
    ),
    registry=RegistryStatus("r/x@sha256:1", ("r/x/snapshot@sha256:3",), ("r/x@sha256:9",), "405"),
    predictions=PredictionsStatus(
        "model-1", "0123", "intents-ml-pred-0123456789", PredictionsOutcome.FAILED, "Unknown", "no answer", 3, 2, 1, NOW
    ),
    label_studio=LabelStudioStatus(4, 2, "model-1"),
)


def test_what_is_written_comes_back() -> None:
    assert Status.from_dict(FULL.to_dict()) == FULL


def test_the_written_form_is_the_documented_one() -> None:
    written = FULL.to_dict()
    assert written["training"]["trainedThrough"] == {"updatedAt": "2026-11-22T06:00:00.123456Z", "annotations": 312}
    assert written["model"]["active"] == {
        "version": "model-1",
        "image": "r/x@sha256:1",
        "baseImage": "r/base:1",
        "datasetDigest": "sha256:2",
        "metrics": {"accuracy": "0.71"},
        "promotedAt": "2026-11-22T06:00:00.123456Z",
    }
    assert "startedAt" in written["model"]["candidate"]
    assert written["labelStudio"] == {"backendID": 4, "webhookID": 2, "title": "model-1"}


def test_nulls_and_empty_containers_are_not_written() -> None:
    def check(value: object) -> None:
        assert value is not None
        assert value not in ({}, [])
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(item)

    check(FULL.to_dict())
    assert Status().to_dict() == {
        "training": {"additionalEdits": 0, "consecutiveFailures": 0, "attempt": 0},
    }


def test_the_cut_before_any_training_is_kept_apart_from_no_cut() -> None:
    assert TrainingStatus.from_dict(TrainingStatus(cut=Cut()).to_dict()).cut == Cut()
    assert TrainingStatus.from_dict({}).cut is None
    assert Cut.from_dict({"updated_at": "2026-11-22T06:00:00.123456Z", "size": 312}) == Cut(NOW, 312)
    assert Cut.from_dict({"updated_at": "yesterday", "size": 312}) is None


def test_semantic_equality_ignores_how_it_was_written() -> None:
    one = Status.from_dict({"model": {}, "conditions": [], "url": ""})
    assert one == Status.from_dict(None) == Status()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["cut", "size", "updatedAt", "active", "version", "image", "metrics", "type", "status", "at"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
TOP = st.sampled_from([*FULL.to_dict(), "other"])


@given(st.dictionaries(TOP, JSON) | JSON)
def test_nothing_in_a_status_raises(data: Any) -> None:
    found = Status.from_dict(data)
    assert Status.from_dict(found.to_dict()) == found
