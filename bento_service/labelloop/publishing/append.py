"""A new image in the registry: the base image and exactly one layer, without a Docker daemon or a build.

Works on single manifests and lists, in Docker's and in OCI's format (OCI image specification 1.1; Docker image manifest
version 2, schema 2). Everything follows from the inputs, so a second time gives the same digest.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Manifest, Repository, json_object
from labelloop.publishing.registry_errors import NotInRegistryError, RegistryError

LISTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
LAYER_TYPES = {
    "application/vnd.oci.image.manifest.v1+json": "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.distribution.manifest.v2+json": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}
BASE_DIGEST = "org.opencontainers.image.base.digest"
BASE_NAME = "org.opencontainers.image.base.name"
CREATED_BY = "labelloop publish"


class Layer(Protocol):
    """What is appended: made of files (`labelloop.publishing.layer`), or taken from another image."""

    @property
    def compressed(self) -> bytes:
        """The gzipped tar."""

    @property
    def diff_id(self) -> str:
        """Digest of the tar."""


@dataclass(frozen=True)
class Addition:
    """What the new image has beyond its base."""

    layer: Layer
    labels: Mapping[str, str]
    created: str
    """RFC 3339; not the clock's time, or a second publication would give another image."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the new image, over those of its base."""


def append_layer(
    source: Repository, base: Reference, target: Repository, addition: Addition, tags: Sequence[str]
) -> str:
    """Push `base` (in `source`) with the addition to `target` under the tags; returns the new image's digest.

    Raises RegistryError, with reason BaseImageNotFound when there is no such base or it is no image.
    """
    return _Appender(source, base, target, addition).run(tags)


@dataclass
class _Appender:
    source: Repository
    base: Reference
    target: Repository
    addition: Addition
    base_digest: str = field(default="", init=False)

    def run(self, tags: Sequence[str]) -> str:
        top = self._base_manifest(self.base.version)
        self.base_digest = top.digest
        try:
            content = self._content(top)
        except (LookupError, TypeError, ValueError, AttributeError):
            raise self._unusable("its manifest or configuration lacks what every image has") from None
        digest = ""
        for tag in tags:
            digest = self.target.put_manifest(tag, content)
        return digest

    def _content(self, top: Manifest) -> bytes:
        """The new top manifest. Raises RegistryError, or what a document of another form than an image's causes."""
        if top.media_type in LISTS:
            return self._list(top)
        if top.media_type in LAYER_TYPES:
            return self._image(top)
        raise self._unusable(f"its manifest has the type {top.media_type!r:.100}")

    def _list(self, top: Manifest) -> bytes:
        """The same list, each image of it with the layer; attestations belong to the old images and go."""
        document = top.document()
        entries = []
        for entry in document.get("manifests", []):
            platform = entry.get("platform") or {}
            if entry.get("mediaType") not in LAYER_TYPES or platform.get("os") in (None, "unknown"):
                continue
            content = self._image(self._base_manifest(str(entry["digest"])))
            digest = self.target.put_manifest(Manifest(content, entry["mediaType"]).digest, content)
            entries.append({**entry, "digest": digest, "size": len(content)})
        if not entries:
            raise self._unusable("its list names no image")
        return _compact({**document, "mediaType": top.media_type, "manifests": entries})

    def _image(self, manifest: Manifest) -> bytes:
        """Push layer and configuration; return the new manifest."""
        document = manifest.document()
        old_layers, old_config = list(document["layers"]), dict(document["config"])
        configuration = json_object(self.source.blob(str(old_config["digest"])), "an image's configuration")
        new_config = _compact(self._configuration(configuration))
        for layer in old_layers:
            self.target.take_blob(self.source, str(layer["digest"]))
        compressed = self.addition.layer.compressed
        new_layer = {
            "mediaType": LAYER_TYPES[manifest.media_type],
            "size": len(compressed),
            "digest": self.target.put_blob(compressed),
        }
        config = {**old_config, "size": len(new_config), "digest": self.target.put_blob(new_config)}
        return _compact(
            {**document, "mediaType": manifest.media_type, "config": config, "layers": [*old_layers, new_layer]}
        )

    def _configuration(self, old: dict[str, Any]) -> dict[str, Any]:
        created = self.addition.created
        settings = dict(old.get("config") or {})
        base = {BASE_DIGEST: self.base_digest, BASE_NAME: str(self.base)}
        settings["Env"] = _environment(settings.get("Env") or [], self.addition.environment)
        settings["Labels"] = {**(settings.get("Labels") or {}), **base, **self.addition.labels}
        return {
            **old,
            "created": created,
            "config": settings,
            "rootfs": {**old["rootfs"], "diff_ids": [*old["rootfs"]["diff_ids"], self.addition.layer.diff_id]},
            "history": [*(old.get("history") or []), {"created": created, "created_by": CREATED_BY}],
        }

    def _base_manifest(self, version: str) -> Manifest:
        try:
            return self.source.manifest(version)
        except NotInRegistryError:
            raise RegistryError(
                "BaseImageNotFound",
                f"the base image {self.base} does not exist: push it there, or set spec.image to one that exists",
            ) from None

    def _unusable(self, why: str) -> RegistryError:
        return RegistryError(
            "BaseImageNotFound", f"the base image {self.base} cannot be used: {why}; set spec.image to a Bento image"
        )


def _environment(old: Sequence[str], new: Mapping[str, str]) -> list[str]:
    """`NAME=value` as an image's configuration lists them; a name that is there already keeps its place."""
    values = dict(str(entry).partition("=")[::2] for entry in old)
    return [f"{name}={value}" for name, value in {**values, **new}.items()]


def _compact(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
