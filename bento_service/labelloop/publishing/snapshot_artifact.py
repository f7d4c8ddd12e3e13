"""Snapshots in the registry: an OCI artifact of one layer (docs/internals/interfaces.md 2.2)."""

import json
from collections.abc import Sequence
from pathlib import Path

from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository, sha256

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
SNAPSHOT_TYPE = "application/vnd.labelloop.snapshot.v1.jsonl+gzip"
# OCI image specification 1.1, "guidance for an empty descriptor".
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
FILE_NAME = "snapshot.jsonl.gz"
MAX_BYTES = 2 * 1024**3


class NotASnapshotError(ValueError):
    """What the reference names is something else than a snapshot."""


def push_snapshot(repository: Repository, path: Path, tags: Sequence[str]) -> str:
    """Push the file; returns the artifact's digest.

    The tags keep it from the registry's garbage collection.
    """
    layer = {
        "mediaType": SNAPSHOT_TYPE,
        "size": path.stat().st_size,
        "digest": repository.put_file(path),
        "annotations": {"org.opencontainers.image.title": path.name},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": SNAPSHOT_TYPE,
        "config": {"mediaType": EMPTY_TYPE, "size": len(EMPTY), "digest": repository.put_blob(EMPTY)},
        "layers": [layer],
    }
    content = json.dumps(manifest, separators=(",", ":")).encode()
    for tag in tags:
        repository.put_manifest(tag, content)
    return sha256(content)


def pull_snapshot(repository: Repository, reference: Reference, path: Path) -> None:
    """Write the snapshot's file to `path`. Raises RegistryError, NotASnapshotError."""
    document = repository.manifest(reference.version).document()
    layers = document.get("layers")
    candidates = [layer for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    found = [layer for layer in candidates if layer.get("mediaType") == SNAPSHOT_TYPE]
    if len(found) != 1:
        raise NotASnapshotError(f"{reference} is no snapshot of Labelloop")
    repository.blob_to_file(str(found[0].get("digest")), path, MAX_BYTES)
