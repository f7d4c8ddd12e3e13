from typing import Any

import pytest

from labelloop_operator.kubernetes.kinds import DEPLOYMENT, JOB
from labelloop_operator.kubernetes.managed_fields import OWNERS_CLEARED, added_by_others, taken_over

BACKEND = 'k:{"name":"backend"}'
ENV = {"f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}}}
OURS = {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {BACKEND: {".": {}, "f:image": {}, "f:name": {}}}}}}


def entry(manager: str, fields: dict[str, Any], operation: str = "Update", **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields, **more}


def item(*managed: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "d", "managedFields": [entry("labelloop", {"f:spec": OURS}, "Apply"), *managed]}}


def pod(fields: dict[str, Any]) -> dict[str, Any]:
    return {"f:spec": {"f:template": {"f:spec": fields}}}


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        (pod({"f:containers": {BACKEND: ENV}}), ["spec.template.spec.containers[name=backend].env[name=A]"]),
        (pod({"f:nodeSelector": {}}), ["spec.template.spec.nodeSelector"]),
        ({"f:spec": {"f:paused": {}, "f:replicas": {}}}, ["spec.paused"]),
        ({"f:data": {".": {}, "f:key": {}}}, ["data.key"]),
        ({"f:metadata": {"f:annotations": {"f:theirs": {}}}, "f:status": {"f:replicas": {}}}, []),
        (
            {"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}}},
            [],
        ),
    ],
)
def test_fields_of_other_managers_are_reported(fields: dict[str, Any], paths: list[str]) -> None:
    assert added_by_others(DEPLOYMENT, item(entry("kubectl-edit", fields))) == dict.fromkeys(paths, "kubectl-edit")


def test_fields_that_a_webhook_set_in_our_request_are_ours() -> None:
    assert added_by_others(DEPLOYMENT, item(entry("labelloop", pod({"f:containers": {BACKEND: ENV}})))) == {}


def test_cleared_owners_are_reported() -> None:
    assert added_by_others(DEPLOYMENT, {"metadata": {"name": "d"}}) == {OWNERS_CLEARED: ""}


def test_what_is_taken_over_belongs_to_us_alone() -> None:
    status = entry("kube-controller-manager", {"f:status": {"f:replicas": {}}}, subresource="status")
    theirs = {**pod({"f:nodeSelector": {}}), "f:metadata": {"f:annotations": {"f:theirs": {}}}}
    ours, *others = taken_over(DEPLOYMENT, item(status, entry("kubectl-edit", theirs)))
    assert ours["fieldsV1"]["f:spec"]["f:template"]["f:spec"] == {
        "f:nodeSelector": {},
        "f:containers": {BACKEND: {".": {}, "f:image": {}, "f:name": {}}},
    }
    assert others == [status, entry("kubectl-edit", {"f:metadata": {"f:annotations": {"f:theirs": {}}}})]


def test_a_service_account_is_taken_over_with_its_deprecated_name() -> None:
    (ours,) = taken_over(DEPLOYMENT, item(entry("argocd", pod({"f:serviceAccountName": {}}), "Apply")))
    assert {"f:serviceAccount", "f:serviceAccountName"} <= ours["fieldsV1"]["f:spec"]["f:template"]["f:spec"].keys()


def test_of_a_job_only_what_can_be_changed_is_reported() -> None:
    first = entry("before-first-apply", {"f:spec": {"f:selector": {}, "f:template": {"f:spec": {"f:dnsPolicy": {}}}}})
    kept = entry("kubectl-edit", {"f:spec": {"f:ttlSecondsAfterFinished": {}, "f:completionMode": {}}})
    assert added_by_others(JOB, item(first, kept)) == {"spec.ttlSecondsAfterFinished": "kubectl-edit"}
