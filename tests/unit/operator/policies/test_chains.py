"""Every check of every chain decides in some case, and docs/internals/policies.md describes it, in its order."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from labelloop.training import gate_checks
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, set_condition
from labelloop_operator.api.label_studio_objects import (
    WEBHOOK_ACTIONS,
    RegisteredBackend,
    RegisteredWebhook,
    ShownPredictions,
)
from labelloop_operator.api.predictions_status import PredictionsOutcome, PredictionsStatus
from labelloop_operator.api.rebase_status import Rebase, RebaseOutcome
from labelloop_operator.api.spec import Problem
from labelloop_operator.api.status import ModelVersion
from labelloop_operator.policies import (
    deletion_checks,
    prediction_checks,
    readiness,
    rebase_checks,
    registration_checks,
    rollback_checks,
    rollout_checks,
    serving_checks,
    training_checks,
)

PAGE = Path(__file__).parents[4] / "docs/internals/policies.md"
NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)
DOWN = Problem("url", "http://ls", "check it", Reason.LABEL_STUDIO_UNREACHABLE)

Chain = Sequence[Callable[[Any], Any]]


def about(given: Any, **cases: dict[str, Any]) -> dict[str, Any]:
    """For each check the input in which it is the first to speak: `given`, with something changed."""
    return {name: replace(given, **changes) for name, changes in cases.items()}


IDLE = training_checks.TrainingInput(
    now=NOW, suspended=False, pin=None, repository="r/x", job=None, candidate=None, label_studio_problem=None,
    label_config_known=True, label_config_problem=None, request=None, failures=0, not_before=None, pending=9,
    updates_per_training=10,
)  # fmt: skip
TRAINING = about(
    IDLE,
    invalid={"spec_problem": Problem("spec.image", "", "", Reason.INVALID_SPEC), "suspended": True},
    job_exists={"job": "intents-ml-train-1", "suspended": True},
    suspended={"suspended": True, "pin": "model-1"},
    pinned={"pin": "model-1", "repository": None},
    no_registry={"repository": None, "candidate": "model-2"},
    candidate_rolls_out={"candidate": "model-2", "label_studio_problem": DOWN},
    label_studio_unknown={"label_studio_problem": DOWN, "label_config_problem": "no Choices"},
    label_config_unsupported={"label_config_problem": "no Choices", "request": "r"},
    requested={"request": "r", "failures": 1, "not_before": LATER},
    backing_off={"failures": 1, "not_before": LATER, "pending": 10},
    retry={"failures": 1, "not_before": NOW, "annotations": 1, "min_annotations": 2},
    label_config_changed={"label_config_changed": True, "annotations": 1, "min_annotations": 2},
    too_few_annotations={"annotations": 1, "min_annotations": 2, "pending": 10},
    too_soon={"pending": 10, "finished_at": NOW, "min_interval": 60.0},
    enough_updates={"pending": 10, "count_waits": training_checks.COUNT_PATIENCE},
    count_overdue={"count_waits": training_checks.COUNT_PATIENCE},
)
TURNS = about(
    IDLE,
    namespace_is_full={"per_namespace": 1, "others_in_namespace": 1, "per_label_studio": 1},
    label_studio_is_full={"per_label_studio": 1, "others_with_label_studio": 1},
)

ACTIVE = ModelVersion("model-1", "r/x@sha256:1", base_image="base:1")
MOVED = Rebase("model-1", "base:2")
REBASE = about(
    rebase_checks.RebaseInput(
        now=NOW, active=ACTIVE, target="base:2", suspended=False, repository="r/x", candidate=None, job=None,
        training=False, rebase=None,
    ),
    untrained={"active": ModelVersion("cold-1", "base:1"), "job": "x"},
    up_to_date={"target": "base:1", "job": "x"},
    job_exists={"job": "x", "candidate": ACTIVE},
    candidate_rolls_out={"candidate": ACTIVE, "suspended": True},
    needs_training={"rebase": replace(MOVED, outcome=RebaseOutcome.NEEDS_TRAINING), "suspended": True},
    suspended={"suspended": True, "repository": None},
    no_registry={"repository": None, "training": True},
    training_runs={"training": True, "rebase": replace(MOVED, outcome=RebaseOutcome.REBASED)},
    refused={"rebase": replace(MOVED, outcome=RebaseOutcome.REBASED)},
    backing_off={"rebase": replace(MOVED, outcome=RebaseOutcome.FAILED, not_before=LATER)},
    namespace_is_full={"per_namespace": 1, "others_in_namespace": 1},
)  # fmt: skip

KNOWN = PredictionsStatus("model-1")
CONNECTED = set_condition((), ConditionType.REGISTERED, ConditionStatus.TRUE, Reason.REGISTERED, "", 1, NOW)[0]
PREDICTIONS = about(
    prediction_checks.PredictionsInput(
        now=NOW, version="model-1", known=None, job=None, suspended=False, busy="", serving=True, registered=CONNECTED
    ),
    written={"known": replace(KNOWN, outcome=PredictionsOutcome.PREDICTED), "busy": "the training"},
    backing_off={"known": replace(KNOWN, outcome=PredictionsOutcome.FAILED, not_before=LATER), "busy": "the training"},
    training_or_rollout_first={"busy": "the training", "job": "x"},
    job_exists={"job": "x", "suspended": True},
    suspended={"suspended": True, "serving": False},
    not_serving={"serving": False, "registered": None},
    not_registered={"registered": None, "others": 1, "most": 1},
    label_studio_is_busy={"others": 1, "most": 1},
)

CANDIDATE = ModelVersion("model-2", "r/x@sha256:2", at=NOW - timedelta(seconds=300))
SWITCHED = replace(CANDIDATE, switched_at=CANDIDATE.at)
SILENT = serving_checks.Answer(probed=True, error="connection refused")
HELD = Problem("spec.suspend", "true", "no roll-out", Reason.SUSPENDED)
ROLLOUT = about(
    rollout_checks.RolloutInput(
        now=NOW, candidate=CANDIDATE, selected=False, available=False, held=None, progress_deadline=300.0, trouble=None
    ),
    answers={"candidate": SWITCHED, "selected": True, "available": True, "held": HELD},
    held={"held": HELD, "candidate": replace(CANDIDATE, at=None)},
    not_started={"candidate": replace(CANDIDATE, at=None), "available": True},
    unreachable_before={"available": True, "answer": SILENT},
    ready={"available": True},
    unanswered={"candidate": SWITCHED, "selected": True, "available": True, "answer": SILENT},
    too_late={},
)
ROLLBACK = about(
    rollback_checks.RollbackInput(
        now=NOW, active=ACTIVE, available=0, down_since=NOW - timedelta(seconds=300), progress_deadline=300.0,
        cause=Reason.UNSCHEDULABLE, pinned=True, suspended=True, candidate=CANDIDATE, earlier=(), refused=(),
    ),
    serves={"available": 1},
    replaced_already={"down_since": NOW},
    too_early={"candidate": None, "down_since": NOW},
    suspended={"candidate": None},
    pinned={"candidate": None, "suspended": False},
    common_cause={"candidate": None, "suspended": False, "pinned": False},
)  # fmt: skip

BACKEND = RegisteredBackend(4, "http://x:9090", "model-1", "model-1", ours=True, state="CO", basic_auth_user="u")
WEBHOOK = RegisteredWebhook(2, "http://x:9090/webhook", WEBHOOK_ACTIONS, True, True, False, authorized=True)
REFUSED = Problem("", "", "health check failed", Reason.LABEL_STUDIO_REJECTED)
OFF = ShownPredictions("Off", "")
FOREIGN = replace(BACKEND, id=1, ours=False)
REGISTRATION = about(
    registration_checks.RegistrationInput(
        now=NOW, project=7, url="http://x:9090", title="model-1", basic_auth_user="u", problem=None, failure=None,
        known=True, serving=True, serving_since=NOW, backends=(BACKEND,), webhooks=(WEBHOOK,),
    ),
    label_studio_unknown={"problem": DOWN, "serving": False},
    not_serving={"serving": False, "failure": REFUSED},
    too_early={"failure": REFUSED, "backends": ()},
    failed={"failure": DOWN, "backends": ()},
    missing={"backends": (FOREIGN,)},
    not_primary={"backends": (FOREIGN, replace(BACKEND, state="ER"))},
    not_connected={"backends": (replace(BACKEND, state="ER"),), "shown": OFF},
    not_shown={"shown": OFF},
    registered={},
)  # fmt: skip

TROUBLES = ("ImagePullBackOff", "CreateContainerConfigError", "Unschedulable", "CrashLoopBackOff")


def pods(*reasons: str) -> dict[str, Any]:
    return {"troubles": [serving_checks.PodTrouble(reason, "") for reason in reasons]}


SERVING = about(
    serving_checks.ServingInput("model-1", "r/x", exists=True, current=True, wanted=2, updated=2, available=0),
    pods_refused={"refused": "exceeded quota", **pods(*TROUBLES)},
    image_pull_failed=pods(*reversed(TROUBLES)),
    configuration_invalid=pods(*reversed(TROUBLES[1:])),
    unschedulable=pods(*reversed(TROUBLES[2:])),
    crashing=pods(*TROUBLES[3:]),
)

UNMET = set_condition((), ConditionType.SERVING, ConditionStatus.FALSE, Reason.STARTING, "", 1, NOW)
UNSUPPORTED = (ConditionType.LABEL_CONFIG_SUPPORTED, ConditionStatus.FALSE, Reason.LABEL_CONFIG_UNSUPPORTED)
SUMMARY = about(
    readiness.ReadinessInput(set_condition(UNMET, *UNSUPPORTED, "", 1, NOW), ()),
    problem={"problems": (DOWN,)},
    unmet_condition={},
    label_config_unsupported={"conditions": set_condition((), *UNSUPPORTED, "", 1, NOW)},
)
DELETION = about(
    deletion_checks.DeletionInput(
        now=NOW, requested_at=NOW, timeout=0, finalizer=True, registered=True, skip=True, project_known=False
    ),
    not_held={"finalizer": False, "registered": False},
    nothing_registered={"registered": False},
    skipped={},
    out_of_patience={"skip": False},
)


class Compared:
    compared, mean, p_value, detectable = 29, -0.5, 0.0, 0.1

    def message(self) -> str:
        return "0.4 against 0.9"


class Enough(Compared):
    compared = 30


GATE = about(
    gate_checks.Comparison(29, 0.4, None, 0.01, Compared(), {}),
    below_minimum={"minimum": 0.5, "pairs": None},
    first_model={"pairs": None},
    too_few_examples={},
    worse_than_active={"pairs": Enough()},
)

CHAINS: list[tuple[str, Chain, dict[str, Any]]] = [
    ("Training", [*training_checks.CHAIN, *training_checks.CONCURRENCY_LIMITS], {**TRAINING, **TURNS}),
    ("Gate", gate_checks.CHAIN, GATE),
    ("Roll-out", rollout_checks.CHAIN, ROLLOUT),
    ("Rollback", rollback_checks.CHAIN, ROLLBACK),
    ("Rebase", rebase_checks.CHAIN, REBASE),
    ("Predictions", prediction_checks.CHAIN, PREDICTIONS),
    ("Registration", registration_checks.CHAIN, REGISTRATION),
    ("Serving", serving_checks.TROUBLES, SERVING),
    ("Summary", readiness.CHAIN, SUMMARY),
    ("Deletion", deletion_checks.CHAIN, DELETION),
]
EACH = pytest.mark.parametrize(("section", "chain", "cases"), CHAINS, ids=[section for section, _, _ in CHAINS])


def named(check: Callable[[Any], Any]) -> str:
    return check.__name__.removeprefix("_")


@EACH
def test_each_check_decides_in_some_case(section: str, chain: Chain, cases: dict[str, Any]) -> None:
    assert list(cases) == [named(check) for check in chain]
    for name, given in cases.items():
        first = next(named(check) for check in chain if check(given) is not None)
        assert first == name, f"{section}: {first} speaks before {name}"


@EACH
def test_each_check_has_its_sentence_in_its_place(section: str, chain: Chain, cases: dict[str, Any]) -> None:
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE)
    assert [name for name, _ in rows] == [named(check) for check in chain]
    assert all(sentence.endswith(".") for _, sentence in rows)


def test_no_chain_is_left_out() -> None:
    assert re.findall(r"^## (.+)$", PAGE.read_text(), re.MULTILINE) == [name for name, _, _ in CHAINS]
    there = [
        value
        for module in (
            deletion_checks,
            prediction_checks,
            rebase_checks,
            registration_checks,
            rollback_checks,
            rollout_checks,
            serving_checks,
            readiness,
            training_checks,
            gate_checks,
        )
        for value in vars(module).values()
        if isinstance(value, tuple) and value and all(callable(item) and hasattr(item, "__name__") for item in value)
    ]
    tested = [*(chain for _, chain, _ in CHAINS[1:]), training_checks.CHAIN, training_checks.CONCURRENCY_LIMITS]
    assert all(any(chain is other for other in tested) for chain in there)
