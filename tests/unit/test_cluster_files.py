"""Files the test cluster writes: configurations, certificates' requests, images, and the cache key of programs."""

import hashlib
import io
import json
import os
import tarfile
import tomllib
from pathlib import Path

import pytest

from labcluster import addons, archives, binaries, certificates, cgroups, components, configs, lifecycle, paths
from labcluster.errors import ClusterError
from labcluster.layout import Layout

LAYOUT = Layout("x", 7, Path("/cache/clusters/x"), Path("/cache/binaries/k"))


def test_addresses_of_two_clusters_share_nothing():
    other = Layout("y", 8, Path("/s"), Path("/b"))
    for part in ("host_address", "node_address", "pod_cidr", "service_cidr", "dns_address", "registry", "interface"):
        assert getattr(LAYOUT, part) != getattr(other, part)
    assert len(Layout("y", 250, Path("/s"), Path("/b")).interface) + len("n") <= 15  # the kernel's limit


def test_containerd_pulls_from_the_clusters_registry_over_plain_http():
    plugin = tomllib.loads(configs.containerd(LAYOUT))["plugins"]["io.containerd.grpc.v1.cri"]
    assert plugin["registry"]["config_path"] == "/cache/clusters/x/etc/certs.d"
    assert plugin["restrict_oom_score_adj"] is True
    hosts = tomllib.loads(configs.registry_hosts(LAYOUT))
    assert hosts["host"]["http://10.231.7.2:5000"]["capabilities"] == ["pull", "resolve"]


def test_the_registry_keeps_its_blobs_where_it_is_told():
    document = configs.registry(LAYOUT, Path("/shared"))
    assert document["storage"]["filesystem"]["rootdirectory"] == "/shared"
    assert document["http"]["addr"] == LAYOUT.registry


def test_pods_ask_the_clusters_dns():
    assert configs.kubelet(LAYOUT)["clusterDNS"] == [LAYOUT.dns_address]
    service = next(manifest for path, manifest in addons.dns(LAYOUT) if path.endswith("/services"))
    assert service["spec"]["clusterIP"] == LAYOUT.dns_address


def test_every_file_named_by_a_flag_is_written(tmp_path):
    layout = Layout("x", 7, tmp_path, Path("/cache/binaries/k"))
    layout.pki.mkdir()
    written = {"ca.crt", "ca.key", "sa.pub", "sa.key"}
    written |= {f"{leaf.file}.{kind}" for leaf in certificates.leaves(layout) for kind in ("crt", "key")}
    for name in written:
        (layout.pki / name).write_text(name)
    configs.write_all(layout, tmp_path / "registry")
    words = [word for component in components.components(layout).values() for word in component.argv]
    named = [Path(word.rpartition("=")[2]) for word in words if f"{layout.etc}/" in word or f"{layout.pki}/" in word]
    assert len(named) > 15
    assert [path for path in named if not path.is_file()] == []


def test_the_api_servers_certificate_covers_every_way_to_call_it():
    leaf = next(leaf for leaf in certificates.leaves(LAYOUT) if leaf.file == "apiserver")
    config = certificates.openssl_config(leaf)
    for name in ("DNS:kubernetes.default.svc", "DNS:localhost", "IP:127.0.0.1", "IP:10.231.7.2", "IP:10.233.7.1"):
        assert name in config


def test_version_1_cgroups_are_found_below_ones_own():
    mountinfo = (
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
        "36 31 0:33 /docker/a /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
        "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    )
    own = "9:name=systemd:/\n4:memory:/user/one\n2:cpu,cpuacct:/docker/a/b\n0::/\n"
    assert cgroups.hierarchies(mountinfo, own) == [
        cgroups.Hierarchy("memory", Path("/sys/fs/cgroup/memory/user/one")),
        cgroups.Hierarchy("cpu,cpuacct", Path("/sys/fs/cgroup/cpu,cpuacct/b")),
        cgroups.Hierarchy("name=systemd", Path("/sys/fs/cgroup/systemd")),
    ]


def test_an_image_archive_is_the_same_every_time_and_whole():
    first = archives.image_archive("localhost/a:1", {"a": b"program"}, ["/a"])
    assert first == archives.image_archive("localhost/a:1", {"a": b"program"}, ["/a"])
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        files = {entry.name: archive.extractfile(entry).read() for entry in archive}
    described = json.loads(files["index.json"])["manifests"][0]
    assert described["annotations"]["io.containerd.image.name"] == "localhost/a:1"
    blobs = {name.rpartition("/")[2]: content for name, content in files.items() if name.startswith("blobs/")}
    assert len(blobs) == 3
    assert all(hashlib.sha256(content).hexdigest() == digest for digest, content in blobs.items())


def test_a_program_is_built_anew_when_anything_that_goes_into_it_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "SOURCES", tmp_path)
    module = binaries.Module("m", ".", ("a",))
    module.folder.mkdir()
    keys = {binaries.key(module, "go1")}
    for file in ("go.sum", "main.go"):
        (module.folder / file).write_text("changed")
        keys.add(binaries.key(module, "go1"))
    keys.add(binaries.key(module, "go2"))
    keys.add(binaries.key(binaries.Module("m", ".", ("a",), (("symbol", "v1"),)), "go2"))
    assert len(keys) == 5


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LABELLOOP_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/labelloop"),
        ({"HOME": "/c"}, "/c/.cache/labelloop"),
    ],
)
def test_the_cache_lies_where_the_environment_says(environment, expected, monkeypatch):
    monkeypatch.setattr(os, "environ", environment)
    assert paths.cache() == Path(expected)


def test_the_cache_is_found_with_an_empty_environment(monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    assert paths.cache().is_absolute()


def test_a_kubeconfig_with_other_clusters_is_left_alone(tmp_path):
    layout = Layout("x", 7, tmp_path, Path("/b"))
    layout.etc.mkdir()
    layout.kubeconfig.write_text(json.dumps({"clusters": [{"cluster": {"server": layout.server}}]}))
    target = tmp_path / "config"
    target.write_text("apiVersion: v1\nclusters: []\n")
    with pytest.raises(ClusterError, match="holds other clusters"):
        lifecycle.write_kubeconfig(layout, target)
    lifecycle.remove_kubeconfig(target)
    assert target.read_text() == "apiVersion: v1\nclusters: []\n"

    target.write_text("")
    lifecycle.write_kubeconfig(layout, target)
    assert target.stat().st_mode & 0o777 == 0o600
    lifecycle.write_kubeconfig(layout, target)
    lifecycle.remove_kubeconfig(target)
    assert not target.exists()
