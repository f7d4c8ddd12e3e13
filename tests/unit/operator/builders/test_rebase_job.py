"""The Job of a rebase: who holds which credentials, and what makes another Job."""

from dataclasses import replace

import pytest
from tests.unit.operator.builders.support import OWNER, environment, spec

from labelloop_operator.api import names
from labelloop_operator.builders.rebase_job import RebaseTask, rebase_job

TASK = RebaseTask("model-1", "r/x@sha256:1", "r/base:2", "r/x", plain_http=True)
SECURED = spec(registry={"pushSecretRef": {"name": "push"}, "pullSecretRef": {"name": "pull"}})


def test_all_containers_run_in_the_new_base_image_and_see_nothing_of_label_studio() -> None:
    pod = rebase_job(OWNER, SECURED, TASK)["spec"]["template"]["spec"]
    containers = [*pod["initContainers"], *pod["containers"]]
    assert [(item["name"], item["command"][-1]) for item in containers] == [
        ("restore", "restore"), ("verify", "verify"), ("publish", "rebase"),
    ]  # fmt: skip
    for container in containers:
        assert container["image"] == "r/base:2"
        assert not [name for name in environment(container) if name.startswith("LABEL_STUDIO")]


def test_the_container_that_runs_the_model_has_no_credentials() -> None:
    pod = rebase_job(OWNER, SECURED, TASK)["spec"]["template"]["spec"]
    restore, verify = pod["initContainers"]
    (publish,) = pod["containers"]
    assert [mount["name"] for mount in verify["volumeMounts"]] == ["work"]
    assert set(environment(verify)) == {"LABELLOOP_WORK_DIR", "HOME", "TMPDIR"}
    for container in (restore, publish):
        assert [mount["name"] for mount in container["volumeMounts"]] == ["work", "registry"]
        assert environment(container)["LABELLOOP_ACTIVE_IMAGE"] == "r/x@sha256:1"
    assert environment(publish)["LABELLOOP_BASE_IMAGE"] == "r/base:2"
    name = rebase_job(OWNER, SECURED, TASK)["metadata"]["name"]
    assert environment(publish)["LABELLOOP_JOB"] == f"{name}-$(LABELLOOP_JOB_UID)"


@pytest.mark.parametrize(
    "changes", [{"version": "model-2"}, {"image": "r/x@sha256:2"}, {"base_image": "r/base:3"}, {"attempt": 1}]
)
def test_another_task_or_attempt_is_another_job(changes: dict[str, object]) -> None:
    first = rebase_job(OWNER, spec(), TASK)["metadata"]["name"]
    assert rebase_job(OWNER, SECURED, TASK)["metadata"]["name"] == first
    assert rebase_job(OWNER, spec(), replace(TASK, **changes))["metadata"]["name"] != first  # type: ignore[arg-type]


def test_the_longest_name_is_still_a_label() -> None:
    longest = replace(OWNER, name="x" * names.NAME_MAX_LENGTH)
    assert len(rebase_job(longest, spec(), TASK)["metadata"]["name"]) <= 63
