"""The code blocks of README, docs and examples do what the pages say (tests/support/documents.py)."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import click
import jsonschema
import pytest
import typer
import yaml
from tests.fakes.in_thread import label_studio
from tests.fakes.label_studio import TOKEN
from tests.integration.publishing.images import push_base
from tests.support.docker_registry import Registry, docker_registry
from tests.support.documents import (
    IN_THE_CLUSTER,
    NOT_RUN,
    ROOT,
    Block,
    blocks,
    inline_code,
    pages,
    programs,
    stored,
    substituted,
)
from tests.support.ports import free_port
from tests.support.serving_models import train
from tests.support.tables import TABLE
from tests.support.waiting import PATIENCE

from labelloop.cli import app
from labelloop.publishing.reference import Reference
from labelloop_operator.api.spec import Spec, parse

CRD = yaml.safe_load((ROOT / "crds/labelstudiobackends.yaml").read_text())
SCHEMA = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
ALL = [block for page in pages() for block in blocks(page)]
WITH_COMMANDS = [
    page for page in pages() if any(block.is_shell() or block.language == "python" for block in blocks(page))
]


def named(block: Block) -> str:
    return f"{block.page}:{block.line}"


@pytest.mark.parametrize("block", ALL, ids=named)
def test_no_block_escapes(block: Block):
    assert block.problem() is None, f"{named(block)}: {block.problem()}"


def test_what_is_not_run_has_a_reason_and_stands_somewhere():
    used = {word for block in ALL if block.is_shell() for word in block.words()}
    assert all(NOT_RUN.values())
    assert {*NOT_RUN, *IN_THE_CLUSTER} - used == set()


class Folder:
    """Where a page's blocks run: sample data, a trained model, a Label Studio, a registry, a server's port."""

    def __init__(self, path: Path, registry: Registry, label_studio_url: str) -> None:
        self.path = path
        self.port = free_port()
        self.servers = path.parent / "servers"
        self.log = self.servers.with_suffix(".log")
        self.changed = {
            "http://localhost:8080": label_studio_url,
            "localhost:9090": f"localhost:{self.port}",
            "registry.tools:5000/": f"{registry.host}/",
            " build/images/backend.tar": f" {path}/backend.tar",
            "PYTHONPATH=bento_service:operator:. ": "",  # relative to the checkout
        }
        self.variables = {
            "PATH": f"{programs(path.parent / 'programs')}:/usr/bin:/bin",
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "bento_service", ROOT / "operator", ROOT))),
            "HOME": str(path.parent / "home"),
            "BENTOML_HOME": str(path.parent / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
            "LABELLOOP_CACHE": str(path.parent / "cache"),
            "LABELLOOP_REGISTRY_PLAIN_HTTP": "true",
            "MODEL_DIR": str(path / "models"),
            "LABEL_STUDIO_URL": label_studio_url,
            "PORT": str(self.port),
            "SERVERS": str(self.servers),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, command: list[str]) -> None:
        done = subprocess.run(
            command, cwd=self.path, env=self.variables, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    def close(self) -> None:
        """End the servers that commands left."""
        for pid in self.servers.read_text().split() if self.servers.exists() else ():
            with suppress(ProcessLookupError):
                os.killpg(int(pid), signal.SIGTERM)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """With a base image to lay models upon."""
    with docker_registry(tmp_path_factory.mktemp("registry")) as running:
        push_base(Reference.parse(f"{running.host}/labelloop/backend:dev"))
        yield running


@pytest.fixture
def folder(tmp_path: Path, registry: Registry) -> Iterator[Folder]:
    with label_studio() as fake:
        for number in (1, 7):
            fake.add_project(number, 0)
            for text, label in (line.split(",") for line in TABLE.splitlines()[1:]):
                fake.add_labelled(number, text, label)
        path = tmp_path / "page"
        (path / ".venv/bin").mkdir(parents=True)
        (path / ".venv/bin/python").symlink_to(tmp_path / "programs/python")
        for name in ("tickets.csv", "unseen.csv"):
            (path / name).write_text(TABLE)
        train(path / "my-model")
        shutil.copytree(ROOT / "examples", path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
        archive(path / "backend.tar")
        made = Folder(path, registry, fake.url)
        yield made
        made.close()


def archive(path: Path) -> None:
    """A docker archive of one small layer."""
    import hashlib
    import io
    import tarfile

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as inner:
        inner.addfile(tarfile.TarInfo("etc"))
    diff = "sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff]}}
    manifest = [{"Config": "config.json", "RepoTags": ["labelloop/backend:dev"], "Layers": ["layer.tar"]}]
    files = {"config.json": config, "manifest.json": manifest}
    with tarfile.open(path, "w") as outer:
        for name, content in {
            "layer.tar": layer.getvalue(),
            **{n: json.dumps(d).encode() for n, d in files.items()},
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            outer.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_commands_and_programs_run(page: str, folder: Folder):
    for block in blocks(page):
        if stored(block, folder.path, folder.changed) is not None:
            continue
        text = substituted(block.commands if block.is_shell() else block.text, folder.changed)
        if block.is_shell():
            with_tokens = re.sub(r"(?<==)\.\.\.(?=\s|$)", TOKEN, text)
            folder.run(["/bin/bash", "-euo", "pipefail", "-c", with_tokens])
        elif block.language == "python":
            folder.run([sys.executable, "-c", text])


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "yaml"], ids=named)
def test_resources_are_what_the_operator_takes(block: Block):
    for document in yaml.safe_load_all(block.text):
        if document.get("kind") == "LabelStudioBackend":
            jsonschema.validate(document, SCHEMA)
            assert isinstance(parse(document["spec"]), Spec)
        elif "kind" not in document:
            assert list(unknown_fields(document, SCHEMA, "")) == []


def unknown_fields(document: Mapping[str, object], schema: Mapping[str, object], path: str) -> Iterator[str]:
    """Fields of a shape that the CRD does not have; `...` stands for more of them."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return
    for name, value in document.items():
        if name not in properties:
            if name != "...":
                yield f"{path}.{name}"
        elif isinstance(value, dict):
            inner = properties[name]
            yield from unknown_fields(value, inner.get("items", inner), f"{path}.{name}")


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "json"], ids=named)
def test_json_is_json(block: Block):
    assert json.loads(block.text)


@pytest.mark.parametrize("page", pages())
def test_commands_within_sentences_exist(page: str):
    for code in inline_code(page):
        words = re.sub(r"[\[\]]", " ", code).split()
        if words[:1] == ["labelloop"] and len(words) > 1:
            check_command(words[1:], f"{page}: `{code}`")


def check_command(words: list[str], where: str) -> None:
    """The sub-commands and options that a text names are there."""
    command: click.Command = typer.main.get_command(app)  # type: ignore[assignment]
    while words and isinstance(getattr(command, "commands", None), dict) and not words[0].startswith("-"):
        names = words.pop(0).split("|")
        known = command.commands  # type: ignore[attr-defined]
        assert set(names) <= set(known), f"{where}: there is {', '.join(known)}"
        command = known[names[0]]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }
    asked = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert asked <= options, f"{where}: {command.name} has {sorted(options)}"
