"""What a pod of Labelloop may and may not do, and what nobody can make it do; on real pods."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from kubernetes import watch
from tests.e2e.checks import told
from tests.e2e.story import Project, Story
from tests.support.kube import RESTRICTED
from tests.support.lab import CONNECTION_SECRET, OPERATOR_NAMESPACE
from tests.support.waiting import PATIENCE, eventually

Json = dict[str, Any]
EVERY = 24
TOKEN_FOLDER = "/var/run/secrets/kubernetes.io"


def test_pods_are_restricted_and_hold_only_what_their_work_needs(story: Story, project: Project) -> None:
    kube = story.lab.kube
    for namespace in (story.namespace, OPERATOR_NAMESPACE):
        assert kube.core.read_namespace(namespace).metadata.labels.items() >= RESTRICTED.items()
    kube.apply_secret(story.namespace, "extra", key="for-the-model")
    kube.cluster.kubectl("-n", story.namespace, "label", "secret", "extra", "labelloop.dev/use=true")

    with pods_seen(story) as seen:
        backend = story.trained(project, EVERY, serving={"podTemplate": additions("backend")},
                                training={"updatesPerTraining": EVERY, "podTemplate": additions("train")})  # fmt: skip
        backend.wait_for("PredictionsWritten", "True")
    by_component = {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod for pod in seen.values()}
    assert by_component.keys() == {"serving", "training", "prediction"}

    for pod in seen.values():
        assert not [volume for volume in pod["spec"]["volumes"] if "projected" in volume], "a service-account token"
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["metadata"]["labels"]["team"] == "nlp"
    (serving,) = backend.serving_pods
    shell = ["-n", story.namespace, "exec", serving["metadata"]["name"], "-c", "backend", "--"]
    looked = story.lab.cluster.kubectl(
        *shell, "sh", "-c", f"ls -d {TOKEN_FOLDER} 2>&1 || cat /mnt/extra/key; echo; echo $EXTRA; id -u"
    )
    assert "for-the-model" in looked
    assert looked.split()[-2:] == ["yes", "1034"]
    assert "No such file" in looked

    secrets = {
        container["name"]: secrets_of(by_component[component], container)
        for component in ("training", "prediction")
        for container in steps(by_component[component])
    }
    wanted = {"restore": set(), "train": {CONNECTION_SECRET, "extra"}, "publish": set(), "predict": {CONNECTION_SECRET}}
    assert secrets == wanted
    assert secrets_of(serving, steps(serving)[0]) == {f"{backend.name}-ml-relay", "extra"}


def additions(container: str) -> Json:
    """Labels, a variable and a Secret: what a pod template may add."""
    return {
        "metadata": {"labels": {"team": "nlp"}},
        "spec": {
            "tolerations": [{"key": "nobody-has-this", "operator": "Exists", "effect": "NoSchedule"}],
            "volumes": [{"name": "extra", "secret": {"secretName": "extra"}}],
            "containers": [
                {
                    "name": container,
                    "env": [{"name": "EXTRA", "value": "yes"}],
                    "volumeMounts": [{"name": "extra", "mountPath": "/mnt/extra", "readOnly": True}],
                }
            ],
        },
    }


def steps(pod: Json) -> list[Json]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def secrets_of(pod: Json, container: Json) -> set[str]:
    """The Secrets that a container can read, by variable or volume."""
    mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
    volumes = [
        volume["secret"]["secretName"]
        for volume in pod["spec"]["volumes"]
        if "secret" in volume and volume["name"] in mounted
    ]
    references = [item.get("valueFrom", {}).get("secretKeyRef") for item in container.get("env", [])]
    return {*volumes, *(reference["name"] for reference in references if reference)}


@contextmanager
def pods_seen(story: Story) -> Iterator[dict[str, Json]]:
    """Every pod that the namespace has from now on, also those that go again; by name."""
    kube, seen = story.lab.kube, dict[str, Json]()
    version = kube.core.list_namespaced_pod(story.namespace).metadata.resource_version
    over = Event()

    def follow() -> None:
        while not over.is_set():  # each round begins at the beginning: nothing falls in between
            stream = watch.Watch().stream(
                kube.core.list_namespaced_pod, story.namespace, resource_version=version, timeout_seconds=2
            )
            seen.update((event["object"].metadata.name, kube.plain(event["object"])) for event in stream)

    thread = Thread(target=follow)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_a_secret_whose_keeper_did_not_agree_is_mounted_by_no_pod(story: Story, project: Project) -> None:
    story.lab.kube.apply_secret(story.namespace, "extra", key="of-others")
    backend = story.backend()
    backend.apply(story.spec(project, EVERY, serving={"podTemplate": additions("backend")}))

    message = told(backend, "SecretNotLabelled")
    assert "spec.serving.podTemplate.spec.volumes[0].secret.secretName (extra)" in message
    assert not backend.deployments

    story.lab.cluster.kubectl("-n", story.namespace, "label", "secret", "extra", "labelloop.dev/use=true")
    backend.wait_ready()


def test_a_template_that_weakens_pods_is_told_and_changes_nothing(story: Story, project: Project) -> None:
    backend = story.running(project, EVERY)
    deployments = [item["metadata"]["generation"] for item in backend.deployments]
    for spec, words in (
        ({"hostNetwork": True}, "spec.serving.podTemplate.spec.hostNetwork (True)"),
        ({"serviceAccountName": "default"}, "hold no Kubernetes credentials"),
        ({"volumes": [{"name": "node", "hostPath": {"path": "/"}}]}, "volumes[0].hostPath"),
        ({"containers": [{"name": "backend", "securityContext": {"privileged": True}}]}, "are restricted"),
    ):
        backend.apply(story.spec(project, EVERY, serving={"podTemplate": {"spec": spec}}))
        eventually(
            lambda words=words: words in backend.condition("SpecValid").get("message", ""), PATIENCE, backend.told
        )  # type: ignore[misc]
    assert [item["metadata"]["generation"] for item in backend.deployments] == deployments
    backend.apply(
        story.spec(project, EVERY, serving={"podTemplate": {"spec": {"affinity": {"nodeAffinity": {"x": 1}}}}})
    )
    assert "nodeAffinity" in told(backend, "InvalidSpec")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080", "http://localhost:8080", "http://169.254.169.254", "https://kubernetes.default.svc"],
)
def test_addresses_that_only_the_operator_reaches_are_not_asked(story: Story, project: Project, url: str) -> None:
    story.lab.connect(story.namespace, "elsewhere", url=url)
    backend = story.backend()
    spec = story.spec(project, EVERY)
    backend.apply(spec | {"labelStudio": spec["labelStudio"] | {"connectionSecretRef": {"name": "elsewhere"}}})
    message = told(backend, "ConnectionAddressForbidden")
    assert url in message
    assert "labelStudio.allowedAddresses" in message
