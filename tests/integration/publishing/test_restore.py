"""The container `restore` against a real registry."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.publishing.jobs import snapshot
from tests.support.ports import closed_port

from labelloop.datasets.snapshot import WHY_FILE, Snapshot
from labelloop.publishing import publish, restore
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository
from labelloop.publishing.snapshot_artifact import push_snapshot

Message = Callable[[], dict[str, object]]


@pytest.fixture
def restored(trained: Path) -> Path:
    """Where the snapshot is expected."""
    return trained / "restored" / "snapshot.jsonl.gz"


def test_the_published_snapshot_comes_back(environment: Message, restored: Path, monkeypatch: pytest.MonkeyPatch):
    publish.main()
    monkeypatch.setenv("LABELLOOP_SNAPSHOT", str(environment()["snapshot"]))

    assert restore.main() == 0

    assert Snapshot.read(restored) == snapshot()


@pytest.mark.parametrize("value", [None, "", " "])
def test_without_a_snapshot_there_is_nothing_to_do(
    environment: Message, restored: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
):
    if value is not None:
        monkeypatch.setenv("LABELLOOP_SNAPSHOT", value)

    assert restore.main() == 0

    assert not restored.exists()


def test_the_folder_for_temporary_files_is_made(environment: Message, trained: Path):
    restore.main()

    assert (trained / "tmp").is_dir()


def test_a_snapshot_that_is_gone_means_a_full_read(
    environment: Message, restored: Path, repository: Reference, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LABELLOOP_SNAPSHOT", f"{repository}/snapshot@sha256:{'0' * 64}")

    assert restore.main() == 0

    assert not restored.exists()
    assert f"{repository}/snapshot has no sha256:000" in (restored.parent / WHY_FILE).read_text()


def test_a_corrupt_snapshot_means_a_full_read(
    environment: Message, restored: Path, repository: Reference, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "truncated").write_bytes(b"\x1f\x8b\x08\x00 not gzip")
    place = repository.below("snapshot")
    with Repository(place, plain_http=True) as remote:
        digest = push_snapshot(remote, tmp_path / "truncated", ["truncated"])
    monkeypatch.setenv("LABELLOOP_SNAPSHOT", str(place.with_digest(digest)))

    assert restore.main() == 0

    assert not restored.exists()
    assert "is truncated" in (restored.parent / WHY_FILE).read_text()


def test_an_image_is_no_snapshot(
    environment: Message, restored: Path, base_image: Reference, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LABELLOOP_SNAPSHOT", str(base_image))

    assert restore.main() == 0

    assert not restored.exists()


def test_a_manifest_that_makes_no_sense_means_a_full_read(
    environment: Message, restored: Path, repository: Reference, monkeypatch: pytest.MonkeyPatch
):
    media_type = "application/vnd.oci.image.index.v1+json"
    with Repository(repository, plain_http=True) as remote:
        remote.put_manifest("odd", json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": []}).encode())
    monkeypatch.setenv("LABELLOOP_SNAPSHOT", str(repository.with_tag("odd")))

    assert restore.main() == 0

    assert not restored.exists()


def test_a_registry_that_cannot_be_asked_is_a_failure(environment: Message, monkeypatch: pytest.MonkeyPatch):
    with closed_port() as port:
        address = f"127.0.0.1:{port}"
        monkeypatch.setenv("LABELLOOP_REPOSITORY", f"{address}/team/intents")
        monkeypatch.setenv("LABELLOOP_SNAPSHOT", f"{address}/team/intents/snapshot@sha256:{'0' * 64}")

        assert restore.main() == 1

    message = environment()
    assert (message["outcome"], message["reason"]) == ("Failed", "RegistryUnreachable")
    assert address in str(message["message"])


def test_the_model_that_serves_comes_back(environment: Message, trained: Path, monkeypatch: pytest.MonkeyPatch):
    publish.main()
    monkeypatch.setenv("LABELLOOP_ACTIVE_IMAGE", str(environment()["image"]))

    assert restore.main() == 0

    for file in (trained / "out" / "model").iterdir():
        assert (trained / "restored" / "model" / file.name).read_bytes() == file.read_bytes()


def test_an_image_without_a_model_is_told_and_compared_with_nothing(
    environment: Message, trained: Path, base_image: Reference, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LABELLOOP_ACTIVE_IMAGE", str(base_image))

    assert restore.main() == 0

    assert not (trained / "restored" / "model").exists()


def test_an_active_image_that_is_gone_does_not_stop_the_training(
    environment: Message, trained: Path, repository: Reference, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LABELLOOP_ACTIVE_IMAGE", f"{repository}@sha256:{'0' * 64}")

    assert restore.main() == 0

    assert not (trained / "restored" / "model").exists()


def test_a_refused_model_is_published_for_inspection(environment: Message, trained: Path):
    path = trained / "out" / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "outcome": "Refused", "reason": "WorseThanActive"}))

    assert publish.main() == 0

    message = environment()
    assert (message["outcome"], message["reason"]) == ("Refused", "WorseThanActive")
    assert "@sha256:" in str(message["image"])
