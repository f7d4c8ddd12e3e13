"""Configuration files of the node's components, as pure functions of the layout."""

import base64
import json
from pathlib import Path
from typing import Any

from labcluster.layout import Layout

Document = dict[str, Any]

_CONTAINERD = """\
version = 2
root = "{state}/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  disable_apparmor = true
  # Without CAP_SYS_RESOURCE nobody may lower a score, and no sandbox would start.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    discard_unpacked_layers = false
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{etc}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{etc}/certs.d"
"""

_HOSTS_TOML = """\
server = "http://{registry}"
[host."http://{registry}"]
  capabilities = ["pull", "resolve"]
"""

PAUSE_IMAGE = "localhost/pause:1"


def containerd(layout: Layout) -> str:
    """containerd's configuration."""
    return _CONTAINERD.format(state=layout.state, etc=layout.etc, pause=PAUSE_IMAGE)


def registry_hosts(layout: Layout) -> str:
    """How containerd reaches the cluster's registry: over plain HTTP."""
    return _HOSTS_TOML.format(registry=layout.registry)


def registry(layout: Layout, storage: Path) -> Document:
    """docker-registry's configuration."""
    return {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": {"addr": layout.registry},
    }


def network(layout: Layout) -> Document:
    """The pod network: one bridge."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": layout.pod_cidr}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/run/cni-ipam",
    }
    # ipMasq: else the machine would see pod addresses and answer them by its own default route.
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "bridge", "plugins": [{**bridge, "ipam": addresses}, ports]}


def kubelet(layout: Layout) -> Document:
    """The kubelet's configuration."""
    nothing = dict.fromkeys(("nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree"), "0%")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{layout.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{layout.pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{layout.pki}/kubelet.key",
        "clusterDNS": [layout.dns_address],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{layout.etc}/empty",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "volumePluginDir": f"{layout.state}/volplugins",
        "podLogsDir": "/var/log/pods",
        "maxPods": 200,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", **nothing},
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        "nodeStatusUpdateFrequency": "5s",
        "shutdownGracePeriod": "0s",
        # A missing /dev/kmsg or a refused score is then a warning, not the end.
        "featureGates": {"KubeletInUserNamespace": True},
    }


def proxy(layout: Layout) -> Document:
    """kube-proxy's configuration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": layout.node_name,
        "clusterCIDR": layout.pod_cidr,
        "detectLocalMode": "ClusterCIDR",
        "clientConnection": {"kubeconfig": f"{layout.etc}/proxy.json"},
        # Zeros leave the machine's own connection tracking limits alone.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "iptables": {"minSyncPeriod": "0s", "syncPeriod": "30s", "localhostNodePorts": False},
        "nodePortAddresses": [f"{layout.node_address}/32"],
    }


def audit_policy() -> Document:
    """Who did what, without the cluster's own components: enough to compare used and granted verbs."""
    system = ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy"]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": system},
            {"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
            {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/metrics"]},
            {"level": "Metadata"},
        ],
    }


def kubeconfig(layout: Layout, certificate: str) -> Document:
    """A kubeconfig for one of the certificates, complete in itself."""
    context = f"kind-{layout.name}"

    def encoded(file: str) -> str:
        return base64.b64encode((layout.pki / file).read_bytes()).decode()

    user = {
        "client-certificate-data": encoded(f"{certificate}.crt"),
        "client-key-data": encoded(f"{certificate}.key"),
    }
    cluster = {"server": layout.server, "certificate-authority-data": encoded("ca.crt")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": context, "cluster": cluster}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "users": [{"name": context, "user": user}],
    }


def write_all(layout: Layout, registry_storage: Path) -> None:
    """Write every configuration file; the certificates must be there."""
    texts = {
        "containerd.toml": containerd(layout),
        f"certs.d/{layout.registry}/hosts.toml": registry_hosts(layout),
        "resolv.conf": f"nameserver {layout.dns_address}\nsearch svc.cluster.local cluster.local\n",
        "hosts": f"127.0.0.1 localhost\n{layout.node_address} {layout.node_name}\n",
        "empty": "",
    }
    documents = {
        "registry.json": registry(layout, registry_storage),
        "cni/10-bridge.conflist": network(layout),
        "kubelet.json": kubelet(layout),
        "kube-proxy.json": proxy(layout),
        "audit-policy.json": audit_policy(),
    }
    for user in ("admin", "controller-manager", "scheduler", "proxy"):
        documents[f"{user}.json"] = kubeconfig(layout, user)
    documents["kubelet-user.json"] = kubeconfig(layout, "kubelet")
    for name, document in documents.items():
        texts[name] = json.dumps(document, indent=1)
    for name, text in texts.items():
        path = layout.etc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
