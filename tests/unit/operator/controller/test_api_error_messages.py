import pytest

from labelloop_operator.api.conditions import Reason
from labelloop_operator.kubernetes.api_error_messages import explain_api_error
from labelloop_operator.kubernetes.api_errors import ApiError, Severity


def error(status: int, message: str) -> ApiError:
    return ApiError("PATCH", "/x", status, "Reason", message)


@pytest.mark.parametrize(
    ("refused", "reason", "said"),
    [
        (
            error(
                403,
                'jobs.batch is forbidden: User "u" cannot create resource "jobs" in API group "batch" in namespace "a"',
            ),
            Reason.MISSING_PERMISSION,
            "create jobs (batch)",
        ),
        (error(403, 'pods "x" is forbidden: exceeded quota: small'), Reason.QUOTA_EXCEEDED, "exceeded quota"),
        (error(403, 'violates PodSecurity "restricted:latest"'), Reason.ADMISSION_DENIED, "restricted"),
        (error(400, 'admission webhook "w.example" denied the request: no'), Reason.ADMISSION_DENIED, "w.example"),
        (error(422, "spec.selector: field is immutable"), Reason.IMMUTABLE_FIELD, "delete it"),
        (error(422, "spec.ports: Required value"), Reason.INVALID_SPEC, "Required value"),
        (
            error(500, "failed to create typed patch object (…): .spec.affinity.x: field not declared in schema"),
            Reason.INVALID_SPEC,
            "podTemplate",
        ),
        (error(400, 'Job in version "v1" cannot be handled as a Job: json'), Reason.INVALID_SPEC, "podTemplate"),
    ],
)
def test_what_a_person_must_mend_is_told(refused: ApiError, reason: Reason, said: str) -> None:
    told = explain_api_error(refused, "Job intents-ml-train-1")
    assert told is not None
    assert told.reason == reason
    assert said in str(told)
    assert "Job intents-ml-train-1" in str(told)


@pytest.mark.parametrize(
    "refused",
    [error(503, "busy"), error(0, "timed out"), error(409, "modified"), error(403, "x because it is being terminated")],
)
def test_what_passes_by_itself_is_no_problem(refused: ApiError) -> None:
    assert explain_api_error(refused, "Service a") is None
    assert refused.severity is Severity.RETRY


def test_a_manifest_that_breaks_the_schema_is_a_bug_although_it_comes_as_500() -> None:
    assert error(500, "failed to create typed patch object (…): .spec.x: field not declared").severity is Severity.BUG
    assert error(500, "etcd is slow").severity is Severity.RETRY
