"""Appending one layer, in all forms that images have."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.publishing.images import DOCKER, OCI, push_image, push_list, sha
from tests.integration.publishing.jobs import MODEL
from tests.support.docker_registry import Registry

from labelloop.publishing.append import Addition, append_layer
from labelloop.publishing.layer import Layer, model_layer
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository
from labelloop.publishing.registry_errors import RegistryError

FORMATS = pytest.mark.parametrize("types", [DOCKER, OCI], ids=["docker", "oci"])


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    for name, content in MODEL.items():
        (tmp_path / name).write_bytes(content)
    return model_layer(tmp_path)


def appended(base: Reference, target: Reference, layer: Layer, *tags: str) -> str:
    addition = Addition(layer, {"added": "label"}, "2026-11-22T06:00:00.123456Z")
    with Repository(base, plain_http=True) as source, Repository(target, plain_http=True) as remote:
        return append_layer(source, base, remote, addition, tags or ("new",))


def check_image(
    remote: Repository, old: dict[str, Any], new: dict[str, Any], types: dict[str, str], layer: Layer
) -> None:
    """The new image is the old one and the layer, and the registry holds every part of it."""
    assert new["mediaType"] == types["manifest"]
    assert new["layers"][:-1] == old["layers"]
    assert new["layers"][-1]["mediaType"] == types["layer"]
    configuration = json.loads(remote.blob(new["config"]["digest"]))
    for entry, diff_id in zip(new["layers"], configuration["rootfs"]["diff_ids"], strict=True):
        content = remote.blob(entry["digest"])
        assert len(content) == entry["size"]
        assert "sha256:" + hashlib.sha256(gzip.decompress(content)).hexdigest() == diff_id
    assert gzip.decompress(remote.blob(new["layers"][-1]["digest"])) == layer.archive
    assert configuration["config"]["User"] == "1034:1034"
    assert configuration["config"]["Labels"]["kept"] == "yes"
    assert configuration["config"]["Labels"]["added"] == "label"
    assert configuration["created"] == "2026-11-22T06:00:00.123456Z"
    assert len(configuration["history"]) == 3


@FORMATS
@pytest.mark.parametrize("place", ["same repository", "another repository", "another registry"])
def test_a_single_image(
    repository: Reference, other_registry: Registry, types: dict[str, str], layer: Layer, place: str
):
    base = repository.with_tag("base")
    target = {
        "same repository": repository,
        "another repository": repository.below("elsewhere"),
        "another registry": Reference(other_registry.host, repository.path),
    }[place]
    with Repository(base, plain_http=True) as remote:
        old = json.loads(push_image(remote, "base", types))

    digest = appended(base, target, layer)

    with Repository(target, plain_http=True) as remote:
        manifest = remote.manifest(digest)
        assert manifest.media_type == types["manifest"]
        check_image(remote, old, manifest.document(), types, layer)


@FORMATS
def test_a_list_gets_the_layer_on_every_platform_and_loses_attestations(
    repository: Reference, types: dict[str, str], layer: Layer
):
    base, target = repository.with_tag("base"), repository.below("elsewhere")
    with Repository(base, plain_http=True) as source:
        old = json.loads(push_list(source, "base", types))

        digest = appended(base, target, layer)

        with Repository(target, plain_http=True) as remote:
            top = remote.manifest(digest)
            assert top.media_type == types["list"]
            entries = top.document()["manifests"]
            assert [entry["platform"]["architecture"] for entry in entries] == ["amd64", "arm64"]
            for entry, before in zip(entries, old["manifests"], strict=False):
                new = remote.manifest(entry["digest"])
                assert entry["size"] == len(new.content)
                check_image(remote, source.manifest(before["digest"]).document(), new.document(), types, layer)


def test_a_base_by_digest_and_by_tag_gives_images_with_the_same_base_digest(repository: Reference, layer: Layer):
    base = repository.with_tag("base")
    with Repository(base, plain_http=True) as remote:
        base_digest = sha(push_image(remote, "base"))
        by_tag = appended(base, repository, layer)
        by_digest = appended(repository.with_digest(base_digest), repository, layer)
        labels = [
            json.loads(remote.blob(remote.manifest(digest).document()["config"]["digest"]))["config"]["Labels"]
            for digest in (by_tag, by_digest)
        ]

    assert {one["org.opencontainers.image.base.digest"] for one in labels} == {base_digest}
    assert [one["org.opencontainers.image.base.name"] for one in labels] == [str(base), f"{repository}@{base_digest}"]


def test_appending_again_gives_the_same_digest_under_every_tag(repository: Reference, layer: Layer):
    base = repository.with_tag("base")
    with Repository(base, plain_http=True) as remote:
        push_list(remote, "base", OCI)
        first, second = appended(base, repository, layer, "a", "b"), appended(base, repository, layer, "c")

        assert {remote.manifest(tag).digest for tag in ("a", "b", "c")} == {first, second}
    assert first == second


def test_a_list_without_images_is_no_base(repository: Reference, layer: Layer):
    base = repository.with_tag("base")
    with Repository(base, plain_http=True) as remote:
        remote.put_manifest(
            "base", json.dumps({"schemaVersion": 2, "mediaType": OCI["list"], "manifests": []}).encode()
        )

    with pytest.raises(RegistryError, match="names no image") as caught:
        appended(base, repository, layer)
    assert caught.value.reason == "BaseImageNotFound"
