"""`labelloop init NAME` makes a backend that runs at once: every target of its Makefile, and the Bento."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tests.fakes.in_thread import label_studio
from tests.fakes.label_studio import CONFIG, TOKEN, FakeLabelStudio
from tests.integration.publishing.images import push_base
from tests.integration.serving.conftest import BENTOML, ONE_PROCESS, Server, serve
from tests.support.command_line import run
from tests.support.docker_registry import docker_registry
from tests.support.documents import ROOT, make_program, programs
from tests.support.registry import image_manifest
from tests.support.waiting import PATIENCE, eventually

from labelloop.publishing.reference import Reference

CLASS = "ticket_sorter:Classifier"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scaffold") / "ticket-sorter"
    assert run("init", folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def variables(made: Path) -> dict[str, str]:
    """As after `pip install labelloop[serving,training] pytest`."""
    path = programs(made.parent / "programs")
    return {
        "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "bento_service"),
        "PYTHON": sys.executable,
        "HOME": str(made.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def make(made: Path, variables: dict[str, str], *arguments: str) -> str:
    command = [make_program(), *arguments]
    done = subprocess.run(
        command, cwd=made, env=variables, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_own_tests_pass(made: Path, variables: dict[str, str]):
    assert "4 passed" in make(made, variables, "test")


def test_its_model_is_trained_from_the_sample(made: Path, variables: dict[str, str]):
    make(made, variables, "model")
    document = (made / "model/model.json").read_text()
    assert CLASS in document
    shutil.rmtree(made / "model")


def test_make_image_pushes_its_code_on_a_base_without_docker(made: Path, variables: dict[str, str], tmp_path: Path):
    with docker_registry(tmp_path) as registry:
        base, image = f"{registry.host}/labelloop/backend:dev", f"{registry.host}/ticket-sorter:1"
        push_base(Reference.parse(base))
        plain = {"LABELLOOP_REGISTRY_PLAIN_HTTP": "true"}
        told = make(made, variables | plain, "image", f"BASE={base}", f"IMAGE={image}")
        assert image in told
        assert len(image_manifest(image)["layers"]) == 3


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeLabelStudio]:
    with label_studio() as fake:
        yield fake


@pytest.fixture(params=[ONE_PROCESS, BENTOML])
def server(request: pytest.FixtureRequest, made: Path, fake: FakeLabelStudio, tmp_path: Path) -> Iterator[Server]:
    """`labelloop serve`, and `bentoml serve .`, in the folder."""
    settings = {
        "LABELLOOP_MODEL_CLASS": CLASS,
        "LABEL_STUDIO_HOST": fake.url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "START_TRAINING_EACH_N_UPDATES": "2",
    }
    with serve(tmp_path, settings, request.param, cwd=made) as running:
        yield running


def test_it_serves_learns_and_answers_with_its_own_model(server: Server, fake: FakeLabelStudio, tmp_path: Path):
    number = max(fake.projects, default=0) + 1
    fake.add_project(number, 0)
    key = f"{number}.1795323600"
    before = setup(server, key)
    fake.add_labelled(number, "qwertz", "login")
    fake.add_labelled(number, "uiopue", "billing")
    hint = {"action": "ANNOTATION_CREATED", "project": {"id": number, "created_at": "2026-11-22T05:00:00.000000Z"}}
    assert server.call("POST", "/webhook", json=hint).status_code == 200
    eventually(lambda: setup(server, key) != before, PATIENCE, server.told)
    tasks = [{"id": place, "data": {"text": text}} for place, text in enumerate(("qwertz", "uiopue"))]
    body = {"tasks": tasks, "label_config": CONFIG, "project": key}
    answered = server.call("POST", "/predict", json=body).json()["results"]
    assert [entry["result"][0]["value"]["choices"] for entry in answered] == [["login"], ["billing"]]
    (version,) = (tmp_path / f"models/projects/{number}/versions").iterdir()
    assert answered[0]["model_version"] == version.name
    assert CLASS in (version / "model.json").read_text()


def setup(server: Server, key: str) -> str:
    answer = server.call("POST", "/setup", json={"schema": CONFIG, "project": key})
    assert answer.status_code == requests.codes.ok, answer.text
    return str(answer.json()["model_version"])
