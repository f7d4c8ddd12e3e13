"""Whether a version serves, and why not."""

from dataclasses import replace
from typing import Any

import pytest

from labelloop_operator.api.conditions import ConditionStatus, Reason
from labelloop_operator.policies.serving_checks import (
    Answer,
    PodTrouble,
    ServingInput,
    evaluate_serving,
    fully_available,
)

UP = ServingInput("model-1", "r/x", exists=True, current=True, wanted=2, updated=2, available=2)


@pytest.mark.parametrize(
    "changes", [{"exists": False}, {"current": False}, {"updated": 1}, {"available": 1}, {"wanted": 3}]
)
def test_available_means_all_replicas_of_the_newest_manifest(changes: dict[str, Any]) -> None:
    assert fully_available(UP)
    assert not fully_available(replace(UP, **changes))


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({}, ConditionStatus.TRUE, Reason.AVAILABLE),
        ({"available": 1}, ConditionStatus.TRUE, Reason.PARTIALLY_AVAILABLE),
        ({"available": 0}, ConditionStatus.FALSE, Reason.STARTING),
        ({"exists": False, "available": 0}, ConditionStatus.FALSE, Reason.STARTING),
        ({"available": 0, "refused": "exceeded quota"}, ConditionStatus.FALSE, Reason.POD_CREATION_FAILED),
    ],
)
def test_the_condition(changes: dict[str, Any], status: ConditionStatus, reason: Reason) -> None:
    verdict = evaluate_serving(replace(UP, **changes))
    assert (verdict.status, verdict.reason) == (status, reason)


UNKNOWN, SILENT = Answer(probed=True), Answer(probed=True, error="connection refused")
OTHER = Answer(probed=True, version="model-0")


@pytest.mark.parametrize(
    ("changes", "answer", "served_before", "reason"),
    [
        ({}, UNKNOWN, False, Reason.STARTING),
        ({}, UNKNOWN, True, Reason.AVAILABLE),
        # During a roll-out an older version may answer: that is serving, too.
        ({}, OTHER, False, Reason.AVAILABLE),
        ({"available": 1}, OTHER, False, Reason.PARTIALLY_AVAILABLE),
        ({}, SILENT, True, Reason.SERVICE_UNREACHABLE),
        ({"available": 1}, SILENT, False, Reason.SERVICE_UNREACHABLE),
        ({"available": 0}, SILENT, False, Reason.STARTING),
        ({"available": 0, "refused": "exceeded quota"}, SILENT, True, Reason.POD_CREATION_FAILED),
    ],
)
def test_ready_pods_serve_only_when_the_service_answers(
    changes: dict[str, Any], answer: Answer, served_before: bool, reason: Reason
) -> None:
    assert evaluate_serving(replace(UP, **changes), answer, "http://x:9090", served_before).reason is reason


def test_an_unreachable_service_names_address_error_and_remedies() -> None:
    message = evaluate_serving(UP, SILENT, "http://x:9090", served_before=True).message
    for told in ("http://x:9090", "connection refused", "network policies", "kube-proxy", "probe.enabled"):
        assert told in message


@pytest.mark.parametrize(
    ("trouble", "reason", "remedy"),
    [
        ("ErrImagePull", Reason.IMAGE_PULL_FAILED, "spec.image"),
        ("ImagePullBackOff", Reason.IMAGE_PULL_FAILED, "spec.registry.pullSecretRef"),
        ("InvalidImageName", Reason.IMAGE_PULL_FAILED, "spec.image"),
        ("CreateContainerConfigError", Reason.CONTAINER_CONFIG_INVALID, "Secrets"),
        ("Unschedulable", Reason.UNSCHEDULABLE, "spec.serving.resources"),
        ("CrashLoopBackOff", Reason.CONTAINER_CRASHING, "log"),
    ],
)
def test_a_pods_trouble_is_told_with_a_remedy(trouble: str, reason: Reason, remedy: str) -> None:
    verdict = evaluate_serving(replace(UP, available=0, troubles=[PodTrouble(trouble, "detail " * 200)]))
    assert verdict.reason is reason
    assert remedy in verdict.message
    assert trouble in verdict.message
    assert len(verdict.message) < 600


def test_trouble_of_one_pod_is_told_while_others_serve() -> None:
    verdict = evaluate_serving(replace(UP, available=1, troubles=[PodTrouble("ErrImagePull", "not found")]))
    assert verdict.reason is Reason.PARTIALLY_AVAILABLE
    assert "cannot be pulled" in verdict.message
