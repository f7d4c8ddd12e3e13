"""The test cluster itself: real pods, two side by side, faults of components, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from pytest_kind import KindCluster
from tests.support.waiting import PATIENCE, eventually

from labcluster import Cluster, cgroups, records

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces, cgroups and network interfaces need root"),
]

TOOLS = Path(__file__).parents[2] / "cluster"
KIND = TOOLS / "kind"
API_NAME = "kubernetes.default.svc.cluster.local"


@contextmanager
def measured(what):
    """Tell a duration; none is asserted, the machine may be busy."""
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.1f} s")


@pytest.fixture(scope="module")
def cluster():
    with measured("create"):
        made = Cluster.create(f"cluster-test-{os.getpid()}")
    yield made
    made.delete()


@dataclass(frozen=True)
class Traces:
    """What the kernel knows of a cluster."""

    name: str
    box: str
    interface: str
    state: Path
    network: int

    @classmethod
    def of(cls, record, pid):
        layout = record.layout
        network = Path(f"/proc/{pid}/ns/net").stat().st_ino
        return cls(layout.name, layout.box, layout.interface, layout.state, network)

    def left(self):
        processes = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                same_network = (folder / "ns/net").stat().st_ino == self.network
                known = str(self.state).encode() in (folder / "cmdline").read_bytes()
            except OSError:
                continue
            processes += [folder.name] if same_network or known else []
        return {
            "processes": processes,
            "cgroups": cgroups.find(self.box),
            "interface": list(Path("/sys/class/net").glob(self.interface)),
            "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if str(self.state) in line],
            "state": [self.state] if self.state.exists() else [],
            "record": [record for record in records.read_all() if record.name == self.name],
        }

    def assert_none(self):
        assert not any(self.left().values()), self.left()


def traces_of(cluster):
    return Traces.of(records.read(cluster.name), cluster.node.init)


def pod(name, **spec):
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def phase(cluster, name):
    return cluster.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}")


@contextmanager
def served_by_the_machine(cluster, folder):
    """A server of the test where pods reach it; gives its URL."""
    argv = [sys.executable, "-u", "-m", "http.server", "0", "--bind", cluster.host_address, "--directory", str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        port = server.stdout.readline().split(" port ")[1].split()[0]
        yield f"http://{cluster.host_address}:{port}"
        server.terminate()


def kubectl_container(name, image, *arguments, **environment):
    """kubectl needs no library and resolves names by itself: a ready-made client inside a pod."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "Always",
        "command": ["/kubectl", *arguments],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "volumeMounts": [{"name": "kubectl", "mountPath": "/kubectl", "readOnly": True}],
    }


def test_a_pod_pulls_from_the_registry_and_reaches_names_services_and_the_machine(cluster, tmp_path):
    image = f"{cluster.registry}/tools/pause:1"
    ctr = ["ctr", "--namespace", "k8s.io", "images"]
    for argv in (["tag", "localhost/pause:1", image], ["push", "--plain-http", image], ["rm", image]):
        subprocess.run(cluster.node_argv([*ctr, *argv]), check=True, stdout=subprocess.DEVNULL)
    (tmp_path / "greeting").write_text("hello from the machine")
    binary = str((cluster.layout.binaries / "kubernetes").resolve())
    with served_by_the_machine(cluster, tmp_path) as url:
        containers = [
            kubectl_container("name", image, "auth", "whoami", KUBERNETES_SERVICE_HOST=API_NAME),
            kubectl_container("machine", image, "get", f"--server={url}", "--token=none", "--raw=/greeting"),
        ]
        volume = {"name": "kubectl", "hostPath": {"path": binary, "type": "File"}}
        spec = {"restartPolicy": "Never", "containers": containers, "volumes": [volume]}
        cluster.kubectl("create", "-f", "-", input=pod("client", **spec))
        eventually(lambda: phase(cluster, "client") in ("Succeeded", "Failed"), PATIENCE, "end of the pod")
    assert "system:serviceaccount:default:default" in cluster.kubectl("logs", "client", "-c", "name")
    assert cluster.kubectl("logs", "client", "-c", "machine") == "hello from the machine"
    pulled = cluster.kubectl("get", "pod", "client", "-o", "jsonpath={.status.containerStatuses[*].imageID}")
    assert pulled.startswith(f"{cluster.registry}/tools/pause@sha256:")


def test_a_process_of_the_test_resolves_names_and_reaches_services(cluster):
    code = f"import socket; print(socket.create_connection(({API_NAME!r}, 443), 60).getpeername()[0])"
    done = cluster.run_inside([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == cluster.layout.api_service_address
    elsewhere = "import socket; socket.getaddrinfo('labelloop.dev', 443)"
    assert cluster.run_inside([sys.executable, "-c", elsewhere], stderr=subprocess.DEVNULL).returncode == 1
    reached = f"import socket; socket.create_connection(({cluster.layout.api_service_address!r}, 443), 60)"
    assert cluster.network([sys.executable, "-c", reached]).returncode == 0


def test_restricted_pod_security_refuses_a_root_pod(cluster):
    cluster.kubectl("create", "namespace", "tight")
    cluster.kubectl("label", "namespace", "tight", "pod-security.kubernetes.io/enforce=restricted")
    spec = {"containers": [{"name": "c", "image": "localhost/pause:1"}]}
    with pytest.raises(subprocess.CalledProcessError) as refused:
        cluster.kubectl("create", "-n", "tight", "-f", "-", input=pod("bad", **spec), stderr=subprocess.PIPE)
    assert 'violates PodSecurity "restricted' in refused.value.stderr


def test_the_audit_log_tells_who_did_what(cluster):
    cluster.kubectl("create", "configmap", "audited", "--as=somebody", "--as-group=system:masters")

    def entries():
        lines = map(json.loads, cluster.audit_log.read_text().splitlines())
        found = [entry for entry in lines if entry.get("objectRef", {}).get("name") == "audited"]
        return [
            (entry["impersonatedUser"]["username"], entry["verb"], entry["objectRef"]["resource"]) for entry in found
        ]

    assert eventually(entries, PATIENCE, "entry of the audit log") == [("somebody", "create", "configmaps")]


def test_helm_and_kubectl_run_with_nothing_but_a_kubeconfig(cluster):
    environment = {"KUBECONFIG": str(cluster.kubeconfig)}
    for argv in (["kubectl", "get", "--raw", "/readyz"], ["helm", "list", "--all-namespaces", "--output=json"]):
        done = subprocess.run([TOOLS / argv[0], *argv[1:]], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() in ("ok", "[]")


def test_components_can_be_killed_started_stopped_and_continued(cluster):
    url = f"http://{cluster.registry}/v2/"
    session = requests.Session()
    session.trust_env = False
    cluster.kill("registry")
    assert not cluster.is_running("registry")
    with pytest.raises(requests.ConnectionError):
        session.get(url, timeout=60)
    cluster.start("registry")
    assert session.get(url, timeout=60).status_code == 200
    cluster.stop("registry")
    with pytest.raises(requests.Timeout):
        session.get(url, timeout=0.3)
    cluster.cont("registry")
    assert session.get(url, timeout=60).status_code == 200

    cluster.kill("kube-apiserver")
    with measured("API server restart"):
        cluster.start("kube-apiserver")
    assert cluster.node_name in cluster.kubectl("get", "nodes")


def test_pytest_kind_runs_one_beside_the_other(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # pytest-kind works in ./.pytest-kind
    kind = KindCluster(f"cluster-test-{os.getpid()}-beside", kind_path=KIND, kubectl_path=TOOLS / "kubectl")
    with measured("create next to"):
        kind.create()
    second = Cluster.get(kind.name)
    traces = traces_of(second)
    # A process of a test that is forgotten must not keep the network alive.
    forgotten = subprocess.Popen(second.inside_argv(["sleep", "600"]))
    try:
        assert second.layout.index != cluster.layout.index
        assert {cluster.name, second.name} <= set(Cluster.names())
        assert second.node_name in kind.kubectl("get", "nodes")
        assert second.node_name not in cluster.kubectl("get", "nodes")
        eventually(lambda: forwards_a_port(kind), PATIENCE, "a forwarded port")

        # A run that finds a kept cluster, but not the kubeconfig of the run that made it.
        kind.kubeconfig_path.unlink()
        again = KindCluster(kind.name, kind_path=KIND, kubectl_path=TOOLS / "kubectl")
        again.create()
        assert second.node_name in again.kubectl("get", "nodes")
    finally:
        with measured("delete"):
            kind.delete()
    assert forgotten.wait(PATIENCE) == -signal.SIGKILL
    traces.assert_none()
    assert not kind.kubeconfig_path.exists()
    assert second.node_name not in cluster.kubectl("get", "nodes")


def test_a_killed_creation_is_cleaned_up_by_the_next(tmp_path):
    name, kubeconfig = f"cluster-test-{os.getpid()}-crash", tmp_path / "kubeconfig"
    create = [KIND, "create", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig}"]
    first = subprocess.Popen(create, stderr=subprocess.DEVNULL)

    def half_way():
        record = records.read(name)
        folders = cgroups.find(record.layout.box) if record else []
        return folders and [pid for pid in cgroups.members(folders[0]) if is_program(pid, "kube-apiserver")]

    pids = eventually(half_way, PATIENCE, "API server of the first start", 0.05)
    traces = Traces.of(records.read(name), pids[0])
    first.kill()
    first.wait()
    assert traces.left()["processes"], "the crash must leave something to clean up"
    assert name not in subprocess.check_output([KIND, "get", "clusters"], text=True)

    try:
        subprocess.run(create, check=True)
        assert not any(is_program(pid, "kube-apiserver") for pid in pids)
        second = Cluster.get(name)
        assert "Ready" in second.kubectl("get", "nodes")
        traces_of_second = traces_of(second)
        os.kill(second.node.init, signal.SIGKILL)  # a node that died is no cluster any more
        eventually(lambda: name not in Cluster.names(), PATIENCE, "end of the killed node")
    finally:
        subprocess.run([KIND, "delete", "cluster", f"--name={name}"], check=True)
    traces_of_second.assert_none()


def forwards_a_port(kind):
    """pytest-kind takes a port at random and connects after a second, whether kubectl is so far or not."""
    try:
        with kind.port_forward("service/kube-dns", 53, "-n", "kube-system", retries=1) as port:
            return port
    except Exception as error:  # pytest-kind raises nothing more precise when kubectl found the port taken
        raise AssertionError(error) from error


def is_program(pid, program):
    try:
        return Path(Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]).name == program
    except OSError:
        return False
