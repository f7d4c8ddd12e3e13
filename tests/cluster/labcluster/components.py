"""The node's components: which program, which flags."""

from dataclasses import dataclass, field

from labcluster.layout import API_PORT, Layout

PRETENDED, PRETENDER = "kwok.x-k8s.io/node", "fake"
"""The annotation of nodes that kwok looks after."""


@dataclass(frozen=True)
class Component:
    """One program of the node."""

    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def components(layout: Layout) -> dict[str, Component]:
    """Every component by name; the name is also that of its log."""
    return {
        "etcd": Component(_etcd(layout)),
        "containerd": Component(["containerd", "-c", f"{layout.etc}/containerd.toml", "-l", "warn"]),
        "registry": Component(
            ["docker-registry", "serve", f"{layout.etc}/registry.json"], {"OTEL_TRACES_EXPORTER": "none"}
        ),
        "kube-apiserver": Component(_api_server(layout)),
        "kube-controller-manager": Component(_controller_manager(layout)),
        "kube-scheduler": Component(_scheduler(layout)),
        "kubelet": Component(_kubelet(layout)),
        "kube-proxy": Component([f"{layout.binaries}/kube-proxy", f"--config={layout.etc}/kube-proxy.json"]),
        "kwok": Component(_kwok(layout)),
    }


def _etcd(layout: Layout) -> list[str]:
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return [
        f"{layout.binaries}/etcd",
        f"--data-dir={layout.state}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        # A cluster that never survives the machine needs no fsync.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _api_server(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        f"{layout.binaries}/kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        "--bind-address=0.0.0.0",
        f"--secure-port={API_PORT}",
        f"--advertise-address={layout.node_address}",
        f"--service-cluster-ip-range={layout.service_cidr}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/admin.crt",
        f"--kubelet-client-key={pki}/admin.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
        f"--audit-policy-file={layout.etc}/audit-policy.json",
        f"--audit-log-path={layout.logs}/audit.log",
    ]


def _controller_manager(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        f"{layout.binaries}/kube-controller-manager",
        f"--kubeconfig={layout.etc}/controller-manager.json",
        f"--service-account-private-key-file={pki}/sa.key",
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--profiling=false",
        # A busy machine may keep kubelet or API server silent for long: the only node must not be given up for it,
        # since its pods would then leave their Services.
        "--node-monitor-grace-period=600s",
        "--kube-api-qps=100",
        "--kube-api-burst=200",
        f"--flex-volume-plugin-dir={layout.state}/volplugins",
    ]


def _scheduler(layout: Layout) -> list[str]:
    return [
        f"{layout.binaries}/kube-scheduler",
        f"--kubeconfig={layout.etc}/scheduler.json",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--profiling=false",
        "--kube-api-qps=100",
        "--kube-api-burst=200",
    ]


def _kubelet(layout: Layout) -> list[str]:
    return [
        f"{layout.binaries}/kubelet",
        f"--config={layout.etc}/kubelet.json",
        f"--kubeconfig={layout.etc}/kubelet-user.json",
        "--root-dir=/var/lib/kubelet",
        f"--hostname-override={layout.node_name}",
        f"--node-ip={layout.node_address}",
        "--v=1",
    ]


def _kwok(layout: Layout) -> list[str]:
    return [
        str(layout.kwok),
        f"--kubeconfig={layout.kubeconfig}",
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={PRETENDED}={PRETENDER}",
        # Addresses that nobody is ever called at.
        f"--cidr={layout.pretended_cidr}",
        f"--node-ip={layout.node_address}",
        "--node-lease-duration-seconds=40",
    ]
