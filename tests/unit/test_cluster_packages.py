"""Installing what the test cluster needs: only what is missing, and without starting a daemon."""

import shutil

import pytest

from labcluster import packages, paths
from labcluster.errors import ClusterError


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with nothing on it but an apt-get that notes its calls."""
    calls = []
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(packages, "_POLICY", policy)
    monkeypatch.setattr(packages, "_MODULES", {})
    monkeypatch.setattr(paths, "RUN", tmp_path / "run")
    monkeypatch.setattr(packages, "_is_there", lambda mark: mark == "gcc")
    monkeypatch.setattr(shutil, "which", lambda name, path=None: f"/bin/{name}")
    monkeypatch.setattr(packages, "_apt", lambda *arguments: calls.append((arguments, policy.exists())))
    return policy, calls


def test_missing_packages_are_installed_while_daemons_may_not_start(machine):
    policy, calls = machine
    packages.ensure()
    assert [arguments[0] for arguments, _ in calls] == ["update", "install"]
    arguments, forbidden = calls[1]
    assert forbidden
    assert {"containerd", "runc", "docker-registry"} <= set(arguments)
    assert "gcc" not in arguments
    assert not policy.exists()


def test_a_policy_of_the_machine_is_left_alone(machine):
    policy, calls = machine
    policy.write_text("mine")
    packages.ensure()
    assert policy.read_text() == "mine"
    assert len(calls) == 2


def test_what_a_killed_installation_left_does_not_stay(machine):
    policy, _ = machine
    policy.write_text(packages._POLICY_TEXT)
    packages.ensure()
    assert not policy.exists()


def test_nothing_missing_means_no_call_of_apt(machine, monkeypatch):
    monkeypatch.setattr(packages, "_is_there", lambda mark: True)
    packages.ensure()
    assert machine[1] == []


def test_what_loads_kernel_modules_is_installed_too(machine, monkeypatch):
    monkeypatch.setattr(packages, "_is_there", lambda mark: mark != "modprobe")
    packages.ensure()
    assert machine[1][1][0][-1:] == ("kmod",)


def test_without_apt_the_missing_packages_are_named(machine, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(ClusterError, match="containerd, containernetworking-plugins"):
        packages.ensure()
