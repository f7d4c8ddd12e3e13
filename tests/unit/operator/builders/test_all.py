"""What all children have in common."""

from typing import Any

import pytest
from tests.unit.operator.builders.support import OWNER, RELAY, environment, spec, values
from tests.unit.operator.builders.test_training_job import FULL, TRAINING

from labelloop_operator.api import names
from labelloop_operator.builders.deployment import deployment
from labelloop_operator.builders.prediction_job import PredictionTask, prediction_job
from labelloop_operator.builders.rebase_job import RebaseTask, rebase_job
from labelloop_operator.builders.relay_secret import relay_secret
from labelloop_operator.builders.service import service
from labelloop_operator.builders.training_job import job
from labelloop_operator.planning.ownership import is_ours

PREDICTION = PredictionTask("model-1", "r/x@sha256:1", "0123", has_ca=True, address_policy="{}")
REBASE = RebaseTask("model-1", "r/x@sha256:1", "r/base:2", "r/x", plain_http=False)
CHILDREN: list[dict[str, Any]] = [
    service(OWNER, "model-1", "{}"),
    relay_secret(OWNER, "one", "two", {}),
    deployment(OWNER, spec(), "model-1", "image", RELAY),
    deployment(OWNER, FULL, "model-1", "image", RELAY),
    job(OWNER, FULL, TRAINING),
    job(OWNER, spec(), TRAINING),
    rebase_job(OWNER, FULL, REBASE),
    rebase_job(OWNER, spec(), REBASE),
    prediction_job(OWNER, FULL, PREDICTION),
    prediction_job(OWNER, spec(), PREDICTION),
]
TEMPLATES = [item["spec"]["template"] for item in CHILDREN if "template" in item.get("spec", {})]
COMPONENTS = ("serving", "training", "rebase", "prediction", "relay")
IDS = [item["kind"] for item in CHILDREN]


@pytest.mark.parametrize("child", CHILDREN, ids=IDS)
def test_names_labels_and_owner_are_the_agreed_ones(child: dict[str, Any]) -> None:
    metadata = child["metadata"]
    assert metadata["name"].startswith("intents-ml")
    assert metadata["namespace"] == "team-a"
    assert (
        metadata["labels"].items()
        >= {
            "app.kubernetes.io/name": "labelloop-backend",
            "app.kubernetes.io/instance": "intents",
            "app.kubernetes.io/managed-by": "labelloop",
            "labelloop.dev/backend": "intents",
        }.items()
    )
    assert metadata["labels"]["app.kubernetes.io/component"] in COMPONENTS
    assert is_ours(child, OWNER.uid)
    assert not is_ours(child, "somebody else's")


@pytest.mark.parametrize("child", CHILDREN, ids=IDS)
def test_what_is_applied_twice_changes_nothing(child: dict[str, Any]) -> None:
    """Nulls and empty containers come back as changes; an emptyDir is the one object that is empty."""
    for value in values(child):
        assert value is not None
        assert value != []
        if isinstance(value, dict):
            assert not [key for key, item in value.items() if item == {} and key != "emptyDir"]


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_pod_satisfies_pod_security_restricted(template: dict[str, Any]) -> None:
    pod = template["spec"]
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == names.RUN_AS
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    for volume in pod["volumes"]:
        assert (volume.keys() - {"name"}) <= {"emptyDir", "secret"}
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "hostPort" not in str(container)


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_pod_holds_credentials_of_the_cluster(template: dict[str, Any]) -> None:
    assert template["spec"]["automountServiceAccountToken"] is False
    assert template["spec"]["enableServiceLinks"] is False
    assert "serviceAccountName" not in template["spec"]


@pytest.mark.parametrize("template", TEMPLATES)
def test_training_pods_are_never_selected_for_serving(template: dict[str, Any]) -> None:
    labels = template["metadata"]["labels"]
    serving = labels["app.kubernetes.io/component"] == "serving"
    assert (names.LABEL_REVISION in labels) is serving


def test_the_same_input_gives_the_same_text() -> None:
    assert str(deployment(OWNER, FULL, "model-1", "image", RELAY)) == str(CHILDREN[3])
    assert str(job(OWNER, FULL, TRAINING)) == str(CHILDREN[4])


def test_a_model_of_ones_own_is_named_wherever_it_runs() -> None:
    own = spec(model={"type": "image_model:Classifier"})
    pod = deployment(OWNER, own, "model-1", "image", RELAY)["spec"]["template"]["spec"]
    assert environment(pod["containers"][0])["LABELLOOP_MODEL_CLASS"] == "image_model:Classifier"
    plain = spec(model={"type": "text-classifier"})
    pod = deployment(OWNER, plain, "model-1", "image", RELAY)["spec"]["template"]["spec"]
    assert "LABELLOOP_MODEL_CLASS" not in environment(pod["containers"][0])
