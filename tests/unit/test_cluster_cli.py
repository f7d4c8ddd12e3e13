"""The `kind` command of the test cluster: what it accepts, and when it hands over to the real kind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labcluster import cli, lifecycle

KIND = Path(__file__).parents[1] / "cluster" / "kind"
RECORDER = """\
#!{python}
import json, sys
json.dump(sys.argv, open({out!r}, "w"))
sys.exit({code})
"""


@pytest.fixture
def calls(monkeypatch):
    made = []
    monkeypatch.setattr(cli.real_kind, "find", lambda own: None)
    monkeypatch.setattr(lifecycle, "delete", lambda *arguments: made.append(arguments))
    for name in ("load_docker_image", "load_archive", "export_logs"):
        monkeypatch.setattr(FakeCluster, name, lambda self, what, name=name: made.append((name, self.name, str(what))))
    monkeypatch.setattr(cli, "Cluster", FakeCluster)
    return made


class FakeCluster:
    def __init__(self, name):
        self.name = name

    @classmethod
    def get(cls, name):
        return cls(name)

    def inside_argv(self, argv):
        return argv

    def load_docker_image(self, image): ...
    def load_archive(self, path): ...
    def export_logs(self, folder): ...


@pytest.mark.parametrize(
    "argv",
    [
        ["create", "cluster", "--name=x", "--kubeconfig=a/b"],
        ["create", "cluster", "--kubeconfig", "a/b", "--name", "x", "--image=i", "--config", "f", "--wait", "5m"],
        ["-q", "create", "cluster", "-n", "x", "--kubeconfig=a/b"],
    ],
)
def test_create_takes_the_arguments_of_pytest_kind(argv, calls, monkeypatch):
    def create(name, kubeconfig, caller, retain):
        calls.append((name, str(kubeconfig), caller, retain))
        raise cli.ClusterError("enough seen")

    monkeypatch.setattr(lifecycle, "create", create)
    assert cli.main(argv) == 1
    assert calls == [("x", "a/b", os.getppid(), False)]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["delete", "cluster", "--name=x"], ("x",)),
        (["load", "docker-image", "--name", "x", "app:1"], ("load_docker_image", "x", "app:1")),
        (["load", "docker-image", "app:1", "--name", "x"], ("load_docker_image", "x", "app:1")),
        (["load", "image-archive", "--name", "x", "a.tar"], ("load_archive", "x", "a.tar")),
        (["export", "logs", "--name", "x", "out"], ("export_logs", "x", "out")),
        (["export", "logs"], ("export_logs", "kind", "kind-logs-kind")),
    ],
)
def test_commands_reach_what_they_name(argv, expected, calls):
    assert cli.main(argv) == 0
    assert calls == [expected]


def test_several_archives_in_one_call(calls):
    cli.main(["load", "image-archive", "a.tar", "b.tar", "--name=x"])
    assert [call[2] for call in calls] == ["a.tar", "b.tar"]


def test_a_command_run_inside_keeps_its_own_flags(calls):
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "inside", "--name", "x", "--", "sh", "-c", "echo --name y; exit 3"])
    assert ended.value.code == 3


def test_a_command_to_run_stands_behind_two_dashes(calls, capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "node", "--name", "x", "ls"])
    assert "ls" in capsys.readouterr().err


def test_an_unknown_command_fails_and_lists_the_known(calls, capsys):
    assert cli.main(["build", "node-image"]) == 1
    assert "create cluster" in capsys.readouterr().err


def test_a_name_that_is_no_node_name_is_refused(capsys, monkeypatch):
    monkeypatch.setattr(cli.real_kind, "find", lambda own: None)
    assert cli.main(["create", "cluster", "--name=../etc"]) == 1
    assert "no cluster name" in capsys.readouterr().err


def program(folder, name, out, code=0):
    path = folder / name
    path.write_text(RECORDER.format(python=sys.executable, out=str(out), code=code))
    path.chmod(0o755)


def run_kind(*argv, path, **environment):
    environment = {"PATH": f"{path}:/usr/bin:/bin", **environment}
    return subprocess.run([sys.executable, KIND, *argv], env=environment, capture_output=True, text=True, timeout=300)


ARGV = ["load", "docker-image", "--name", "x", "app:1"]


def test_the_real_kind_gets_the_same_arguments_where_docker_answers(tmp_path):
    program(tmp_path, "docker", tmp_path / "docker.json")
    program(tmp_path, "kind", tmp_path / "kind.json", code=7)
    assert run_kind(*ARGV, path=tmp_path).returncode == 7
    assert json.loads((tmp_path / "kind.json").read_text())[1:] == ARGV
    assert json.loads((tmp_path / "docker.json").read_text())[1] == "version"


def test_the_real_kind_is_left_alone_without_a_docker_engine(tmp_path):
    program(tmp_path, "docker", tmp_path / "docker.json", code=1)
    program(tmp_path, "kind", tmp_path / "kind.json")
    assert "no cluster 'x'" in run_kind(*ARGV, path=tmp_path).stderr
    assert not (tmp_path / "kind.json").exists()


def test_this_kind_on_path_does_not_hand_over_to_itself(tmp_path):
    program(tmp_path, "docker", tmp_path / "docker.json")
    (tmp_path / "kind").symlink_to(KIND)
    assert "no cluster 'x'" in run_kind(*ARGV, path=tmp_path).stderr


def test_a_kind_chosen_by_name_needs_no_question(tmp_path):
    program(tmp_path, "my-kind", tmp_path / "kind.json")
    done = run_kind("get", "clusters", path="/nowhere", LABELLOOP_KIND=str(tmp_path / "my-kind"))
    assert done.returncode == 0
    assert json.loads((tmp_path / "kind.json").read_text())[1:] == ["get", "clusters"]


def test_the_own_cluster_can_be_chosen_where_docker_answers(tmp_path):
    program(tmp_path, "docker", tmp_path / "docker.json")
    program(tmp_path, "kind", tmp_path / "kind.json")
    assert run_kind(*ARGV, path=tmp_path, LABELLOOP_KIND="own").returncode == 1
    assert not (tmp_path / "kind.json").exists()
