"""Pushes that a registry does not take: read-only, gone in the middle, no space left on this machine."""

import errno
import io
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from tests.integration.publishing.images import push_base
from tests.support.docker_registry import docker_registry

from labelloop.publishing import publish, restore
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository, sha256
from labelloop.publishing.registry_errors import NotInRegistryError, RegistryError

Message = Callable[[], dict[str, object]]


def use(host: str, monkeypatch: pytest.MonkeyPatch) -> Reference:
    base = Reference(host, "base", tag="1")
    monkeypatch.setenv("LABELLOOP_BASE_IMAGE", str(base))
    monkeypatch.setenv("LABELLOOP_REPOSITORY", f"{host}/team-a/intents")
    return base


def test_a_read_only_registry_is_told_as_such(
    environment: Message, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    with docker_registry(folder) as running:
        push_base(use(running.host, monkeypatch))
    with docker_registry(folder, read_only=True) as running:
        use(running.host, monkeypatch)
        assert publish.main() == 1
    told = environment()
    assert (told["outcome"], told["reason"]) == ("Failed", "RegistryReadOnly")
    assert "read-only" in str(told["message"])


def test_a_registry_that_goes_in_the_middle_of_a_push_is_pushed_to_again(
    environment: Message, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    put_manifest = Repository.put_manifest
    with ExitStack() as running:
        push_base(use(running.enter_context(docker_registry(folder)).host, monkeypatch))

        def gone(self: Repository, version: str, content: bytes) -> str:
            running.close()
            return put_manifest(self, version, content)

        monkeypatch.setattr(Repository, "put_manifest", gone)
        assert publish.main() == 1
    assert environment()["reason"] == "RegistryUnreachable"

    monkeypatch.setattr(Repository, "put_manifest", put_manifest)
    with docker_registry(folder) as again:
        use(again.host, monkeypatch)
        assert publish.main() == 0
        assert str(environment()["image"]).startswith(f"{again.host}/team-a/intents@sha256:")


@pytest.mark.parametrize("pushed", [1, 2, 3])
def test_whatever_a_failed_push_leaves_is_found_by_the_jobs_tag(
    pushed: int, environment: Message, repository: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gone after so many manifests: the snapshot under its first tag, its second, the image under its first."""
    put_manifest, left = Repository.put_manifest, set[str]()

    def gone(self: Repository, version: str, content: bytes) -> str:
        if len(puts) == pushed:
            raise RegistryError("RegistryUnreachable", "gone")
        puts.append(version)
        left.add(f"{self.name}@{sha256(content)}")
        return put_manifest(self, version, content)

    puts: list[str] = []
    monkeypatch.setattr(Repository, "put_manifest", gone)
    assert publish.main() == 1

    found = set()
    for name in (repository, repository.below("snapshot")):
        with Repository(name, plain_http=True) as remote, suppress(NotInRegistryError):
            found.add(f"{remote.name}@{remote.manifest('intents-ml-train-0123456789').digest}")
    assert found == left
    assert len(found) == (2 if pushed == 3 else 1)


def test_a_full_disk_is_not_taken_for_a_dead_registry(
    environment: Message, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert publish.main() == 0
    image = str(environment()["image"])

    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    open_path = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, *mode, **named: Full() if mode == ("wb",) else open_path(path, *mode, **named)
    )
    monkeypatch.setenv("LABELLOOP_WORK_DIR", str(tmp_path / "full"))
    monkeypatch.setenv("LABELLOOP_ACTIVE_IMAGE", image)
    assert restore.main() == 1
    monkeypatch.undo()
    told = (tmp_path / "termination-log").read_text()
    assert '"reason":"DiskFull"' in told
    assert "free space on the node" in told
