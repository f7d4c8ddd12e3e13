"""What becomes of published images in a real registry: the tag of the one that serves, deletion, garbage collection."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.publishing.images import DOCKER, push_image, push_list
from tests.support.docker_registry import Registry, docker_registry

from labelloop.publishing.append import Addition, append_layer
from labelloop.publishing.layer import model_layer
from labelloop.publishing.promotion import remove_image, tag_promoted
from labelloop.publishing.reference import PROMOTED_TAG, Reference
from labelloop.publishing.registry import Repository
from labelloop.publishing.registry_errors import NotAllowedError, NotInRegistryError
from labelloop.publishing.snapshot_artifact import push_snapshot

PLATFORMS = [None, DOCKER]


@pytest.fixture
def deleting(tmp_path: Path) -> Iterator[Registry]:
    with docker_registry(tmp_path / "registry", deletes=True) as running:
        yield running


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()


def publish(registry: Registry, folder: Path, number: int, types: dict[str, str] | None = None) -> tuple[str, str]:
    """Publish a model of its own; gives the image and the digest of its model layer."""
    base = Reference(registry.host, "base", tag="1")
    target = Reference(registry.host, "team-a/intents")
    model = folder / f"model-{number}"
    model.mkdir()
    (model / "model.json").write_text(f'{{"number": {number}}}')
    with (
        Repository(base, plain_http=True) as source,
        Repository(target, plain_http=True) as remote,
    ):
        if types is None:
            push_image(source, "1")
        else:
            push_list(source, "1", types)
        addition = Addition(model_layer(model), {}, "2026-11-22T06:00:00Z")
        digest = append_layer(source, base, remote, addition, [f"model-{number}", f"job-{number}"])
        manifest = remote.manifest(digest)
        if types is not None:
            manifest = remote.manifest(manifest.document()["manifests"][0]["digest"])
    return str(target.with_digest(digest)), manifest.document()["layers"][-1]["digest"]


def layers(image: str) -> list[str]:
    reference = Reference.parse(image)
    with Repository(reference, plain_http=True) as remote:
        document = remote.manifest(reference.version).document()
        assert all(remote.has_blob(item["digest"]) for item in (*document["layers"], document["config"]))
        return [item["digest"] for item in document["layers"]]


@pytest.mark.parametrize("types", PLATFORMS, ids=["image", "list"])
def test_a_removed_image_leaves_with_its_tags_and_its_blobs_with_the_garbage(
    deleting: Registry, tmp_path: Path, types: dict[str, str] | None
) -> None:
    old, old_layer = publish(deleting, tmp_path, 1, types)
    living, living_layer = publish(deleting, tmp_path, 2, types)
    target = Reference.parse(living)

    remove_image(old, plain_http=True)
    remove_image(old, plain_http=True)

    with Repository(target, plain_http=True) as remote:
        for version in ("model-1", "job-1", str(Reference.parse(old).digest)):
            with pytest.raises(NotInRegistryError):
                remote.manifest(version)
        assert remote.manifest("model-2").digest == target.digest
        assert remote.has_blob(old_layer)
    deleting.collect_garbage()
    with Repository(target, plain_http=True) as remote:
        assert not remote.has_blob(old_layer)
        assert remote.has_blob(living_layer)
    if types is None:
        assert living_layer == layers(living)[-1]


def test_a_removed_snapshot_leaves_too(deleting: Registry, tmp_path: Path) -> None:
    snapshots = Reference(deleting.host, "team-a/intents/snapshot")
    file = tmp_path / "snapshot.jsonl.gz"
    with Repository(snapshots, plain_http=True) as remote:
        file.write_bytes(b"old")
        old = push_snapshot(remote, file, tags=["model-1"])
        file.write_bytes(b"new")
        new = push_snapshot(remote, file, tags=["model-2"])
    remove_image(str(snapshots.with_digest(old)), plain_http=True)
    deleting.collect_garbage()
    with Repository(snapshots, plain_http=True) as remote:
        with pytest.raises(NotInRegistryError):
            remote.manifest("model-1")
        assert remote.manifest("model-2").digest == new
        assert remote.has_blob(remote.manifest(new).document()["layers"][0]["digest"])


def test_a_registry_that_deletes_nothing_says_so(registry: Registry, tmp_path: Path) -> None:
    image, _ = publish(registry, tmp_path, 3)
    with pytest.raises(NotAllowedError, match=r"405.*allow deletion"):
        remove_image(image, plain_http=True)
    assert layers(image)


def test_the_tag_follows_what_came_into_service(registry: Registry, tmp_path: Path) -> None:
    first, _ = publish(registry, tmp_path, 4)
    second, _ = publish(registry, tmp_path, 5)
    for image in (first, second, first):
        tag_promoted(image, plain_http=True)
        with Repository(Reference.parse(image), plain_http=True) as remote:
            assert remote.manifest(PROMOTED_TAG).digest == Reference.parse(image).digest


def test_what_a_failed_push_left_is_deleted_by_its_tag_but_never_what_is_kept(
    deleting: Registry, tmp_path: Path
) -> None:
    snapshots = Reference(deleting.host, "team-a/intents/snapshot")
    file = tmp_path / "snapshot.jsonl.gz"
    with Repository(snapshots, plain_http=True) as remote:
        file.write_bytes(b"left by a failed push")
        left = push_snapshot(remote, file, ["job-1", "model-1"])
        file.write_bytes(b"kept")
        kept = push_snapshot(remote, file, ["job-2", "model-2"])
    keep = [str(snapshots.with_digest(kept))]
    for job in ("job-1", "job-2", "job-3"):
        remove_image(str(snapshots.with_tag(job)), keep=keep, plain_http=True)

    with Repository(snapshots, plain_http=True) as remote:
        assert remote.manifest("job-2").digest == remote.manifest("model-2").digest == kept
        for version in ("job-1", "model-1", left):
            with pytest.raises(NotInRegistryError):
                remote.manifest(version)
