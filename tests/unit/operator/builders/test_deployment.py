"""The Deployment of a version: what makes a roll-out lose no request, and the environment the backend is reported
by."""

from tests.unit.operator.builders.support import OWNER, RELAY, environment, spec

from labelloop_operator.api import names
from labelloop_operator.builders.deployment import PRE_STOP_SECONDS, TERMINATION_SECONDS, deployment

ENVIRONMENT = {
    "LABELLOOP_MODEL_VERSION": "model-1",
    "LABELLOOP_RELAY_URL": RELAY + "/v1/backends/team-a/intents",
    "LABELLOOP_RELAY_SECRET": ("intents-ml-relay", "relay"),
    "LABELLOOP_WEBHOOK_SECRET": ("intents-ml-relay", "webhook"),
    "PORT": "9090",
    "HOME": "/tmp",
    "BENTOML_HOME": "/tmp/bentoml",
}


def test_versions_stand_side_by_side() -> None:
    one, two = (deployment(OWNER, spec(), version, "image", RELAY) for version in ("model-1", "model-2"))
    assert one["metadata"]["name"] != two["metadata"]["name"]
    assert one["spec"]["selector"] != two["spec"]["selector"]
    for found in (one, two):
        labels = found["spec"]["template"]["metadata"]["labels"]
        assert found["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_a_change_in_place_never_lacks_a_pod() -> None:
    found = deployment(OWNER, spec(serving={"replicas": 2}), "model-1", "image", RELAY)["spec"]
    assert found["replicas"] == 2
    assert found["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_a_pod_goes_on_answering_until_every_proxy_knows_that_it_goes() -> None:
    pod = deployment(OWNER, spec(), "model-1", "image", RELAY)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "3"]
    assert pod["terminationGracePeriodSeconds"] == TERMINATION_SECONDS > 2 * PRE_STOP_SECONDS


def test_ready_means_serving_the_expected_version_and_alive_is_asked_apart() -> None:
    (container,) = deployment(OWNER, spec(), "model-1", "image", RELAY)["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    liveness = container["livenessProbe"]
    assert liveness["httpGet"]["path"] == "/livez"
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60, "a slow start must not be a restart"


def test_the_environment_is_the_agreed_one_in_a_fixed_order() -> None:
    (container,) = deployment(OWNER, spec(), "model-1", "image", RELAY)["spec"]["template"]["spec"]["containers"]
    assert environment(container) == ENVIRONMENT
    assert list(environment(container)) == list(ENVIRONMENT)
    assert container["command"] == ["python", "-m", "labelloop", "serve"]


def test_a_blind_holdout_is_told_with_the_project_that_salts_it() -> None:
    blind = deployment(
        OWNER, spec(evaluation={"hideHoldoutPredictions": True, "holdout": "0.1"}), "model-1", "r/x@sha256:1", RELAY
    )
    told = environment(blind["spec"]["template"]["spec"]["containers"][0])
    assert (told["LABELLOOP_BLIND_HOLDOUT"], told["LABELLOOP_PROJECT"]) == ("0.1", "7")
    plain = deployment(OWNER, spec(), "model-1", "r/x@sha256:1", RELAY)
    assert "LABELLOOP_BLIND_HOLDOUT" not in environment(plain["spec"]["template"]["spec"]["containers"][0])


def test_basic_auth_comes_from_its_secret() -> None:
    found = deployment(OWNER, spec(serving={"basicAuthSecretRef": {"name": "auth"}}), "model-1", "image", RELAY)
    (container,) = found["spec"]["template"]["spec"]["containers"]
    assert environment(container)["BASIC_AUTH_USER"] == ("auth", "username")
    assert environment(container)["BASIC_AUTH_PASS"] == ("auth", "password")


def test_pull_secret_deadline_and_resources_come_from_the_spec() -> None:
    wanted = spec(
        registry={"pullSecretRef": {"name": "pull"}},
        rollout={"progressDeadline": "1m30s"},
        serving={"resources": {"requests": {"cpu": "1000m"}}},
    )
    found = deployment(OWNER, wanted, "model-1", "image", RELAY)["spec"]
    assert found["progressDeadlineSeconds"] == 90
    assert found["template"]["spec"]["imagePullSecrets"] == [{"name": "pull"}]
    assert found["template"]["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "1"}}


def test_the_version_is_written_on_deployment_and_pods() -> None:
    found = deployment(OWNER, spec(), "model-1", "image", RELAY)
    for metadata in (found["metadata"], found["spec"]["template"]["metadata"]):
        assert metadata["annotations"] == {names.ANNOTATION_MODEL_VERSION: "model-1"}
        assert metadata["labels"][names.LABEL_REVISION] == names.revision("model-1")
