"""Real registries, one plain and one with TLS and a password."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.publishing.images import push_base
from tests.integration.publishing.jobs import finished_training
from tests.support.docker_registry import Registry, docker_registry

from labelloop.publishing.reference import Reference


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def other_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with docker_registry(tmp_path_factory.mktemp("other-registry")) as running:
        yield running


@pytest.fixture(scope="session")
def secured_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with docker_registry(tmp_path_factory.mktemp("secured-registry"), secured=True) as running:
        yield running


@pytest.fixture
def repository(registry: Registry, request: pytest.FixtureRequest) -> Reference:
    """A repository of this test's own."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name.lower()).strip("-")
    while "--" in name:
        name = name.replace("--", "-")
    return Reference(registry.host, f"tests/{name}")


@pytest.fixture
def base_image(repository: Reference) -> Reference:
    """A base image of two layers in Docker's format, in a repository of its own."""
    base = repository.below("base").with_tag("1")
    push_base(base)
    return base


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """The working folder of a Job after its training."""
    return finished_training(tmp_path / "work")


@pytest.fixture
def environment(
    trained: Path, base_image: Reference, repository: Reference, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[], dict[str, object]]:
    """Sets the variables of the pod; gives what reads the termination message back."""
    log = tmp_path / "termination-log"
    values = {
        "LABELLOOP_WORK_DIR": str(trained),
        "LABELLOOP_BASE_IMAGE": str(base_image),
        "LABELLOOP_REPOSITORY": str(repository),
        "LABELLOOP_JOB": "intents-ml-train-0123456789",
        "LABELLOOP_REGISTRY_PLAIN_HTTP": "true",
        "LABELLOOP_TERMINATION_LOG": str(log),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return lambda: json.loads(log.read_bytes())
