"""The training Job: names, and who gets what."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.operator.builders.support import OWNER, environment, spec

from labelloop_operator.api import names
from labelloop_operator.api.status import Cut
from labelloop_operator.builders.training_job import Training, job, job_name

TRAINING = Training(
    cut=Cut(datetime(2026, 11, 22, 6, 0, 0, 123456, tzinfo=UTC), 312),
    label_config_digest="config",
    base_image="registry/backend:1",
    repository="registry:5000/labelloop/team-a/intents",
    plain_http=True,
    active_version="cold-1",
    snapshot="registry:5000/labelloop/team-a/intents/snapshot@sha256:1",
    attempt=1,
    request_id="2026-11-22T06:00:00.123456Z",
    has_ca=True,
)
FULL = spec(
    registry={"pushSecretRef": {"name": "push"}, "pullSecretRef": {"name": "pull"}},
    model={"parameters": {"b": 1, "C": 3}},
    training={"deadline": "90s"},
)


def containers(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    pod = manifest["spec"]["template"]["spec"]
    return {item["name"]: item for item in [*pod["initContainers"], *pod["containers"]]}


def test_the_three_steps_run_in_order() -> None:
    pod = job(OWNER, FULL, TRAINING)["spec"]["template"]["spec"]
    assert [item["name"] for item in pod["initContainers"]] == ["restore", "train"]
    assert [item["name"] for item in pod["containers"]] == ["publish"]
    for name, container in containers(job(OWNER, FULL, TRAINING)).items():
        assert container["command"] == ["python", "-m", "labelloop", name]
        assert container["image"] == "registry/backend:1"
        assert {"name": "work", "mountPath": "/work"} in container["volumeMounts"]
        assert container["terminationMessagePolicy"] == "File"


def test_the_training_is_told_where_label_studio_may_be_and_is_the_same_training_all_the_same() -> None:
    told = replace(TRAINING, address_policy='{"allowed":[],"refused":["10.96.0.1"]}')
    for name, container in containers(job(OWNER, FULL, told)).items():
        expected = told.address_policy if name == "train" else None
        assert environment(container).get("LABELLOOP_ADDRESS_POLICY") == expected
    assert job_name(OWNER, FULL, told) == job_name(OWNER, FULL, TRAINING)


def test_the_environment_is_the_agreed_one() -> None:
    found = {name: environment(item) for name, item in containers(job(OWNER, FULL, TRAINING)).items()}
    common = {"LABELLOOP_WORK_DIR": "/work", "HOME": "/work", "TMPDIR": "/work/tmp"}
    registry = {
        "LABELLOOP_REPOSITORY": TRAINING.repository,
        "LABELLOOP_REGISTRY_PLAIN_HTTP": "true",
        "LABELLOOP_REGISTRY_CONFIG": "/etc/labelloop/registry/config.json",
    }
    assert found["restore"] == {**common, **registry, "LABELLOOP_SNAPSHOT": TRAINING.snapshot}
    assert found["train"] == {
        **common,
        "LABEL_STUDIO_URL": ("label-studio", "url"),
        "LABEL_STUDIO_API_KEY": ("label-studio", "token"),
        "LABEL_STUDIO_CA_FILE": "/etc/labelloop/label-studio/ca.crt",
        "LABELLOOP_PROJECT": "7",
        "LABELLOOP_PARAMETERS": '{"C": 3, "b": 1}',
        "LABELLOOP_HOLDOUT": "0.2",
        "LABELLOOP_EVALUATION": '{"metric": "Accuracy", "mode": "Enforce"}',
        "LABELLOOP_ACTIVE_VERSION": "cold-1",
    }
    assert found["publish"] == {
        **common,
        **registry,
        "LABELLOOP_BASE_IMAGE": "registry/backend:1",
        "LABELLOOP_JOB_UID": "metadata.labels['batch.kubernetes.io/controller-uid']",
        "LABELLOOP_JOB": f"{job_name(OWNER, FULL, TRAINING)}-$(LABELLOOP_JOB_UID)",
    }


def test_without_snapshots_none_is_restored_and_none_is_left() -> None:
    found = containers(job(OWNER, spec(training={"snapshotPolicy": "None"}), TRAINING))
    assert "LABELLOOP_SNAPSHOT" not in environment(found["restore"])
    assert environment(found["train"])["LABELLOOP_STORE_SNAPSHOT"] == "false"


def test_nobody_holds_both_the_token_and_the_registrys_credentials() -> None:
    for name, container in containers(job(OWNER, FULL, TRAINING)).items():
        mounts = {item["name"] for item in container["volumeMounts"]}
        token = "LABEL_STUDIO_API_KEY" in environment(container)
        assert token is (name == "train")
        assert ("registry" in mounts) is (name != "train")
        assert ("label-studio-ca" in mounts) is (name == "train")


def test_every_mount_has_its_volume_and_nothing_is_mounted_without_need() -> None:
    pod = job(OWNER, FULL, TRAINING)["spec"]["template"]["spec"]
    mounted = {
        item["name"] for step in containers(job(OWNER, FULL, TRAINING)).values() for item in step["volumeMounts"]
    }
    assert mounted == {item["name"] for item in pod["volumes"]}
    plain = job(OWNER, spec(), replace(TRAINING, has_ca=False, snapshot=None, active_version=None))
    assert [item["name"] for item in plain["spec"]["template"]["spec"]["volumes"]] == ["work"]
    for container in containers(plain).values():
        told = environment(container)
        assert not {"LABELLOOP_REGISTRY_CONFIG", "LABEL_STUDIO_CA_FILE", "LABELLOOP_SNAPSHOT"} & told.keys()


def test_a_job_runs_once_and_stays_until_the_operator_has_read_it() -> None:
    found = job(OWNER, FULL, TRAINING)["spec"]
    assert (found["backoffLimit"], found["activeDeadlineSeconds"]) == (0, 90)
    assert "ttlSecondsAfterFinished" not in found
    assert found["template"]["spec"]["restartPolicy"] == "Never"


def test_the_annotations_tell_what_it_was_made_for() -> None:
    annotations = job(OWNER, FULL, TRAINING)["metadata"]["annotations"]
    assert annotations[names.ANNOTATION_ATTEMPT] == "1"
    assert annotations[names.ANNOTATION_REQUEST_ID] == TRAINING.request_id
    assert annotations[names.ANNOTATION_BASE_IMAGE] == "registry/backend:1"
    assert json.loads(annotations[names.ANNOTATION_CUT]) == {"updated_at": "2026-11-22T06:00:00.123456Z", "size": 312}
    unasked = job(OWNER, FULL, replace(TRAINING, request_id=""))["metadata"]["annotations"]
    assert names.ANNOTATION_REQUEST_ID not in unasked


@pytest.mark.parametrize(
    "change",
    [
        {"cut": Cut()},
        {"label_config_digest": "other"},
        {"base_image": "registry/backend:2"},
        {"attempt": 2},
        {"request_id": "later"},
        {"after": "the same data, after another training"},
    ],
)
def test_another_training_has_another_name(change: dict[str, Any]) -> None:
    assert job_name(OWNER, FULL, replace(TRAINING, **change)) != job_name(OWNER, FULL, TRAINING)


def test_the_name_depends_on_the_resource_and_what_is_trained_but_not_on_how_it_serves() -> None:
    name = job_name(OWNER, spec(), TRAINING)
    assert name == job_name(OWNER, spec(serving={"replicas": 3}), TRAINING)
    assert name != job_name(replace(OWNER, uid="other"), spec(), TRAINING)
    assert name != job_name(OWNER, spec(model={"parameters": {"C": 3}}), TRAINING)
    assert name != job_name(OWNER, spec(evaluation={"holdout": "0.3"}), TRAINING)
    assert name != job_name(OWNER, spec(evaluation={"minAccuracy": "0.3"}), TRAINING)


def test_the_gate_gets_its_rules_and_the_model_that_serves() -> None:
    strict = spec(evaluation={"metric": "LogLoss", "tolerance": "0", "minAccuracy": "0.5", "mode": "Audit"})
    steps = containers(job(OWNER, strict, replace(TRAINING, active_image="r/x@sha256:1")))
    rules = environment(steps["train"])["LABELLOOP_EVALUATION"]
    assert json.loads(rules) == {"metric": "LogLoss", "minAccuracy": 0.5, "mode": "Audit", "tolerance": 0.0}
    assert environment(steps["restore"])["LABELLOOP_ACTIVE_IMAGE"] == "r/x@sha256:1"
    assert not any(
        "LABELLOOP_ACTIVE_IMAGE" in environment(container)
        for container in containers(job(OWNER, FULL, TRAINING)).values()
    )


def test_another_kind_of_model_is_another_training_and_only_the_trainer_is_told() -> None:
    own = spec(model={"type": "image_model:Classifier"})
    assert job_name(OWNER, own, TRAINING) != job_name(OWNER, spec(), TRAINING)
    told = {
        name: environment(item).get("LABELLOOP_MODEL_CLASS")
        for name, item in containers(job(OWNER, own, TRAINING)).items()
    }
    assert told == {"restore": None, "train": "image_model:Classifier", "publish": None}
