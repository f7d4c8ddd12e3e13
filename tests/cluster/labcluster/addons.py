"""Cluster DNS: CoreDNS as an ordinary Deployment."""

from typing import Any

from labcluster.configs import PAUSE_IMAGE
from labcluster.layout import Layout

Manifest = dict[str, Any]

_COREFILE = """\
.:1053 {
    errors
    ready :8181
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        ttl 5
    }
    cache 5
    loop
}
"""
_NAMESPACE = "/api/v1/namespaces/kube-system"
_APPS = "/apis/apps/v1/namespaces/kube-system"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
DEPLOYMENT_PATH = f"{_APPS}/deployments/coredns"


def dns(layout: Layout) -> list[tuple[str, Manifest]]:
    """CoreDNS' objects, each with the path it is posted to."""
    named: Manifest = {"metadata": {"name": "coredns"}}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "coredns"}
    subject = {"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}
    core = {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]}
    slices = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}
    return [
        (f"{_NAMESPACE}/serviceaccounts", named),
        (f"{_RBAC}/clusterroles", {**named, "rules": [core, slices]}),
        (f"{_RBAC}/clusterrolebindings", {**named, "roleRef": reference, "subjects": [subject]}),
        (f"{_NAMESPACE}/configmaps", {**named, "data": {"Corefile": _COREFILE}}),
        (f"{_NAMESPACE}/services", _service(layout)),
        (f"{_APPS}/deployments", _deployment(layout)),
    ]


def _service(layout: Layout) -> Manifest:
    ports = [
        {"name": f"dns-{kind}", "port": 53, "targetPort": 1053, "protocol": kind.upper()} for kind in ("udp", "tcp")
    ]
    return {
        "metadata": {"name": "kube-dns", "labels": {"k8s-app": "kube-dns"}},
        "spec": {"clusterIP": layout.dns_address, "selector": {"k8s-app": "kube-dns"}, "ports": ports},
    }


def _deployment(layout: Layout) -> Manifest:
    labels = {"k8s-app": "kube-dns"}
    # The program comes from the node, not from an image: nothing to pack or unpack, and its memory pages are shared.
    # The binary runs what it is called, hence the mount path.
    binary = str((layout.binaries / "kubernetes").resolve())
    container = {
        "name": "coredns",
        "image": PAUSE_IMAGE,
        "imagePullPolicy": "Never",
        "command": ["/coredns", "-conf", "/etc/coredns/Corefile"],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "program", "mountPath": "/coredns", "readOnly": True},
            {"name": "config", "mountPath": "/etc/coredns", "readOnly": True},
        ],
    }
    pod = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "containers": [container],
        "volumes": [
            {"name": "program", "hostPath": {"path": binary, "type": "File"}},
            {"name": "config", "configMap": {"name": "coredns"}},
        ],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "metadata": {"name": "coredns"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }
