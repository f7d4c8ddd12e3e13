"""Small images for the tests, pushed as any builder would."""

import gzip
import hashlib
import io
import json
import tarfile
from typing import Any

from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository

DOCKER = {
    "manifest": "application/vnd.docker.distribution.manifest.v2+json",
    "config": "application/vnd.docker.container.image.v1+json",
    "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "list": "application/vnd.docker.distribution.manifest.list.v2+json",
}
OCI = {
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
    "list": "application/vnd.oci.image.index.v1+json",
}


def push_image(
    repository: Repository, version: str | None, types: dict[str, str] = DOCKER, arch: str = "amd64"
) -> bytes:
    """Push an image of two layers and return its manifest; without a version under its digest only."""
    tars = [_tar("etc/os-release", b"Debian"), _tar("app/main.py", arch.encode())]
    blobs = [gzip.compress(tar, mtime=0) for tar in tars]
    config = _compact(
        {
            "architecture": arch,
            "os": "linux",
            "config": {"User": "1034:1034", "Labels": {"kept": "yes"}, "Env": ["PATH=/usr/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [sha(tar) for tar in tars]},
            "history": [{"created_by": "one"}, {"created_by": "two"}],
        }
    )
    layers = [{"mediaType": types["layer"], "size": len(blob), "digest": repository.put_blob(blob)} for blob in blobs]
    manifest = _compact(
        {
            "schemaVersion": 2,
            "mediaType": types["manifest"],
            "config": {"mediaType": types["config"], "size": len(config), "digest": repository.put_blob(config)},
            "layers": layers,
        }
    )
    repository.put_manifest(version or sha(manifest), manifest)
    return manifest


def push_base(base: Reference) -> None:
    """Push an image of two layers under a tag of a registry without TLS."""
    with Repository(base, plain_http=True) as remote:
        push_image(remote, base.tag)


def push_list(repository: Repository, version: str, types: dict[str, str]) -> bytes:
    """Push a list of two platforms and, as BuildKit does, an attestation."""
    entries: list[dict[str, Any]] = []
    for arch in ("amd64", "arm64"):
        manifest = push_image(repository, None, types, arch)
        entries.append(_entry(manifest, types, {"os": "linux", "architecture": arch}))
    attestation = push_image(repository, None, types, "none")
    entries.append(_entry(attestation, types, {"os": "unknown", "architecture": "unknown"}))
    content = _compact({"schemaVersion": 2, "mediaType": types["list"], "manifests": entries})
    repository.put_manifest(version, content)
    return content


def sha(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _entry(manifest: bytes, types: dict[str, str], platform: dict[str, str]) -> dict[str, Any]:
    return {"mediaType": types["manifest"], "size": len(manifest), "digest": sha(manifest), "platform": platform}


def _tar(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _compact(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
