"""What a podTemplate may say: each way to weaken a pod is refused with field, value and remedy."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.api.test_spec import JSON

from labelloop_operator.api.pod_template import PodTemplate
from labelloop_operator.api.spec import Problem, Spec, parse

CONNECTED = {"labelStudio": {"connectionSecretRef": {"name": "label-studio"}, "project": 7}}
SECTIONS = {"serving": "backend", "training": "train"}
GOOD: dict[str, Any] = {
    "metadata": {
        "labels": {"team": "nlp", "cost.example/centre": "42"},
        "annotations": {"example.com/note": "any\ntext"},
    },
    "spec": {
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
        ],
        "priorityClassName": "batch",
        "volumes": [
            {"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "ca", "configMap": {"name": "our-ca"}},
            {"name": "key", "secret": {"secretName": "model-key", "items": [{"key": "k", "path": "k"}]}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "vectors", "readOnly": True}},
        ],
    },
}


def container(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "env": [
            {"name": "LOG_LEVEL", "value": "DEBUG"},
            {"name": "LABELLOOP_REGISTRY_CA_FILE", "value": "/mnt/ca/ca.crt"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "api-key", "key": "key"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "volumeMounts": [
            {"name": "ca", "mountPath": "/mnt/ca", "readOnly": True},
            {"name": "ca", "mountPath": "/etc/ssl/ours", "subPath": "ca.crt"},
        ],
        "resources": {"limits": {"memory": "4Gi", "nvidia.com/gpu": 1}},
    }


def parsed(section: str, template: object) -> Spec | tuple[Problem, ...]:
    return parse({**CONNECTED, section: {"podTemplate": template}})


def template_of(section: str, template: object) -> PodTemplate:
    spec = parsed(section, template)
    assert isinstance(spec, Spec), spec
    return spec.serving.pod_template if section == "serving" else spec.training.pod_template


@pytest.mark.parametrize("section", SECTIONS)
def test_what_pods_need_can_be_said(section: str) -> None:
    spec = {**GOOD["spec"], "containers": [container(SECTIONS[section])]}
    found = template_of(section, {**GOOD, "spec": spec})
    assert found.labels == {"team": "nlp", "cost.example/centre": "42"}
    assert set(found.scheduling) == {
        "nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName",
    }  # fmt: skip
    assert [volume["name"] for volume in found.volumes] == ["cache", "ca", "key", "data"]
    ours = found.containers[SECTIONS[section]]
    assert [variable["name"] for variable in ours.env] == ["LOG_LEVEL", "LABELLOOP_REGISTRY_CA_FILE", "KEY", "NODE"]
    assert ours.resources == {"limits": {"memory": "4Gi", "nvidia.com/gpu": "1"}}
    path = f"spec.{section}.podTemplate.spec"
    assert [(use.field, use.name) for use in found.secrets] == [
        (f"{path}.volumes[2].secret.secretName", "model-key"),
        (f"{path}.containers[0].env[2].valueFrom.secretKeyRef.name", "api-key"),
    ]


def test_nothing_said_is_nothing_added() -> None:
    assert template_of("serving", {}) == template_of("training", {"spec": {}}) == PodTemplate()


def of_spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


def of_container(**fields: Any) -> dict[str, Any]:
    return of_spec(containers=[{"name": "backend", **fields}])


def of_volume(**fields: Any) -> dict[str, Any]:
    return of_spec(volumes=[{"name": "v", **fields}])


def mounted(path: object, **fields: Any) -> dict[str, Any]:
    mounts = {"volumeMounts": [{"name": "v", "mountPath": path, **fields}]}
    return of_spec(volumes=[{"name": "v", "emptyDir": {}}], containers=[{"name": "backend", **mounts}])


def variable(**fields: Any) -> dict[str, Any]:
    return of_container(env=[fields])


WEAKENING: list[tuple[dict[str, Any], str, str]] = [
    # security context
    (of_spec(securityContext={"runAsUser": 0}), "spec.securityContext", "restricted"),
    (of_spec(securityContext={"runAsNonRoot": False}), "spec.securityContext", "restricted"),
    (of_container(securityContext={"privileged": True}), "spec.containers[0].securityContext", "restricted"),
    (
        of_container(securityContext={"capabilities": {"add": ["SYS_ADMIN"]}}),
        "spec.containers[0].securityContext",
        "restr",
    ),
    (
        of_container(securityContext={"readOnlyRootFilesystem": False}),
        "spec.containers[0].securityContext",
        "restricted",
    ),
    (
        {"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/backend": "unconfined"}}},
        "metadata.annotations.container.apparmor.security.beta.kubernetes.io/backend",
        "restricted",
    ),
    (
        {"metadata": {"annotations": {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}}},
        "metadata.annotations.seccomp.security.alpha.kubernetes.io/pod",
        "restricted",
    ),
    # Kubernetes credentials
    (of_spec(serviceAccountName="admin"), "spec.serviceAccountName", "no Kubernetes credentials"),
    (of_spec(serviceAccount="admin"), "spec.serviceAccount", "no Kubernetes credentials"),
    (of_spec(automountServiceAccountToken=True), "spec.automountServiceAccountToken", "no Kubernetes credentials"),
    (
        of_volume(projected={"sources": [{"serviceAccountToken": {"path": "t"}}]}),
        "spec.volumes[0].projected",
        "service-account tokens",
    ),
    # the node
    (of_spec(hostNetwork=True), "spec.hostNetwork", "share nothing with their node"),
    (of_spec(hostPID=True), "spec.hostPID", "share nothing"),
    (of_spec(hostIPC=True), "spec.hostIPC", "share nothing"),
    (of_spec(hostUsers=True), "spec.hostUsers", "share nothing"),
    (of_spec(shareProcessNamespace=True), "spec.shareProcessNamespace", "share nothing"),
    (of_volume(hostPath={"path": "/"}), "spec.volumes[0].hostPath", "share nothing"),
    (of_volume(csi={"driver": "x"}), "spec.volumes[0].csi", "persistentVolumeClaim"),
    (of_volume(nfs={"server": "x", "path": "/"}), "spec.volumes[0].nfs", "emptyDir, configMap"),
    (of_container(ports=[{"containerPort": 80, "hostPort": 80}]), "spec.containers[0].ports", "leave it out"),
    (
        mounted("/mnt", mountPropagation="Bidirectional"),
        "spec.containers[0].volumeMounts[0].mountPropagation",
        "readOnly",
    ),
    (of_spec(nodeName="control-plane"), "spec.nodeName", "what may be"),
    (of_spec(priorityClassName="system-node-critical"), "spec.priorityClassName", "another class"),
    (of_spec(runtimeClassName="weak"), "spec.runtimeClassName", "what may be"),
    # other code
    (of_spec(initContainers=[{"name": "x"}]), "spec.initContainers", "no containers can be added"),
    (of_spec(ephemeralContainers=[{"name": "x"}]), "spec.ephemeralContainers", "no containers can be added"),
    (of_spec(containers=[{"name": "shell"}]), "spec.containers[0].name", "one of Labelloop's containers"),
    (of_container(image="evil"), "spec.containers[0].image", "spec.image"),
    (of_container(command=["sh"]), "spec.containers[0].command", "env, volumeMounts, resources"),
    (of_container(lifecycle={}), "spec.containers[0].lifecycle", "may not be set here"),
    (variable(name="PYTHONPATH", value="/mnt"), "spec.containers[0].env[0].name", "set by Labelloop"),
    (variable(name="LD_PRELOAD", value="/mnt/x.so"), "spec.containers[0].env[0].name", "set by Labelloop"),
    # what is ours
    (variable(name="LABELLOOP_RELAY_URL", value="http://x"), "spec.containers[0].env[0].name", "set by Labelloop"),
    (variable(name="LABELLOOP_ADDRESS_POLICY", value="{}"), "spec.containers[0].env[0].name", "set by Labelloop"),
    (variable(name="LABEL_STUDIO_URL", value="http://x"), "spec.containers[0].env[0].name", "set by Labelloop"),
    (variable(name="BASIC_AUTH_PASS", value="x"), "spec.containers[0].env[0].name", "set by Labelloop"),
    (variable(name="A", value=1), "spec.containers[0].env[0].name", "in quotes"),
    (of_container(envFrom=[{"secretRef": {"name": "x"}}]), "spec.containers[0].envFrom", "one by one"),
    (mounted("/opt/labelloop/model"), "spec.containers[0].volumeMounts[0].mountPath", "elsewhere"),
    (mounted("/opt"), "spec.containers[0].volumeMounts[0].mountPath", "elsewhere"),
    (mounted("/tmp/"), "spec.containers[0].volumeMounts[0].mountPath", "elsewhere"),
    (mounted("/var/run/secrets/kubernetes.io"), "spec.containers[0].volumeMounts[0].mountPath", "elsewhere"),
    (mounted("/"), "spec.containers[0].volumeMounts[0].mountPath", "absolute path"),
    (mounted("/mnt/../tmp"), "spec.containers[0].volumeMounts[0].mountPath", "absolute path"),
    (mounted(7), "spec.containers[0].volumeMounts[0].mountPath", "absolute path"),
    (
        of_container(volumeMounts=[{"name": "registry", "mountPath": "/mnt"}]),
        "spec.containers[0].volumeMounts[0].name",
        "template's own volumes",
    ),
    (of_spec(volumes=[{"name": "work", "emptyDir": {}}]), "spec.volumes[0].name", "another name"),
    (
        {"metadata": {"labels": {"labelloop.dev/revision": "0"}}},
        "metadata.labels.labelloop.dev/revision",
        "label of your own",
    ),
    (
        {"metadata": {"labels": {"app.kubernetes.io/name": "x"}}},
        "metadata.labels.app.kubernetes.io/name",
        "label of your own",
    ),
    ({"metadata": {"labels": {"pod-template-hash": "x"}}}, "metadata.labels.pod-template-hash", "label of your own"),
    (
        {"metadata": {"annotations": {"labelloop.dev/cut": "x"}}},
        "metadata.annotations.labelloop.dev/cut",
        "of your own",
    ),
    ({"metadata": {"name": "x"}}, "metadata.name", "labels, annotations"),
    ({"metadata": {"labels": {"a": "b c"}}}, "metadata.labels.a", "is no label"),
    # forms
    (of_volume(emptyDir={}, configMap={"name": "x"}), "spec.volumes[0].name", "one source"),
    (of_volume(), "spec.volumes[0].name", "one source"),
    (of_volume(secret={"secretName": "A B"}), "spec.volumes[0].secret.secretName", "must be a name"),
    (of_volume(secret={"secretName": "x", "name": "y"}), "spec.volumes[0].secret.name", "may not be set"),
    (of_spec(tolerations="all"), "spec.tolerations", "list"),
    (of_spec(tolerations=[{}] * 65), "spec.tolerations", "at most 64"),
    (of_container(resources={"claims": []}), "spec.containers[0].resources.claims", "requests, limits"),
    (of_container(resources={"limits": {"cpu": "lots"}}), "spec.containers[0].resources.limits.cpu", "500m"),
]


@pytest.mark.parametrize(("template", "field", "remedy"), WEAKENING, ids=[f"{row[1]}-{row[2]}" for row in WEAKENING])
def test_no_template_weakens_a_pod(template: dict[str, Any], field: str, remedy: str) -> None:
    found = parsed("serving", template)
    assert isinstance(found, tuple), "it was let through"
    problem = next(item for item in found if item.field == f"spec.serving.podTemplate.{field}")
    assert problem.value
    assert remedy in problem.message
    assert len(str(problem)) < 700


def test_the_containers_of_a_pod_are_its_own() -> None:
    for section, name in (("serving", "train"), ("training", "backend")):
        assert isinstance(parsed(section, of_spec(containers=[{"name": name}])), tuple)


def test_values_of_variables_are_told_to_nobody() -> None:
    found = parsed("serving", variable(name="LABELLOOP_X", value="s3cret"))
    assert isinstance(found, tuple)
    assert "s3cret" not in str([str(problem) for problem in found])


TEMPLATE_JSON = st.recursive(
    JSON,
    lambda inner: st.dictionaries(
        st.sampled_from(
            ["metadata", "spec", "labels", "volumes", "containers", "env", "volumeMounts", "name", "secret",
             "valueFrom", "affinity", "tolerations", "resources", "secretKeyRef", "mountPath"]
        ),
        inner | st.lists(inner, max_size=2),
        max_size=3,
    ),
    max_leaves=12,
)  # fmt: skip


@given(TEMPLATE_JSON)
def test_no_template_raises(template: Any) -> None:
    assert isinstance(parsed("training", template), Spec | tuple)


def test_templates_that_nest_without_end_are_refused() -> None:
    deep: Any = {}
    for _ in range(500):
        deep = {"a": deep}
    for template in (
        of_spec(affinity=deep),
        of_spec(tolerations=[deep]),
        of_volume(secret={"items": deep}),
        mounted("/a", subPath=deep),
    ):
        assert isinstance(parsed("serving", template), tuple)
