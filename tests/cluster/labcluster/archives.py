"""The pause program and its image, made without any image tool."""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labcluster import packages, paths, records
from labcluster.configs import PAUSE_IMAGE
from labcluster.errors import ClusterError

_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def ensure_pause() -> tuple[Path, Path]:
    """The pause program and the archive of its image, built once."""
    source = paths.PACKAGE / "pause.c"
    # This module's own text decides the archive's bytes too.
    key = hashlib.sha256(source.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]
    folder = paths.cache() / "binaries" / f"pause-{key}"
    program, archive = folder / "pause", folder / "pause.tar"
    if not archive.exists():
        with records.locked("build"):
            folder.mkdir(parents=True, exist_ok=True)
            _compile(source, program)
            draft = archive.with_suffix(".draft")
            draft.write_bytes(image_archive(PAUSE_IMAGE, {"pause": program.read_bytes()}, ["/pause"]))
            draft.replace(archive)
    return program, archive


def _compile(source: Path, program: Path) -> None:
    draft = program.with_suffix(".draft")
    argv = ["gcc", "-Os", "-static", "-s", "-o", str(draft), str(source)]
    environment = {"PATH": packages.SEARCH_PATH}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise ClusterError(f"gcc failed: {done.stderr}")
    draft.replace(program)


def tar(files: Mapping[str, bytes]) -> bytes:
    """A tar of executable files, the same bytes for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def image_archive(name: str, files: Mapping[str, bytes], entrypoint: list[str]) -> bytes:
    """An OCI archive, as `ctr images import` and `kind load image-archive` read it, of an image with one layer."""
    blobs: dict[str, bytes] = {}

    def blob(media_type: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    layer = blob(_LAYER, tar(files))
    config = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": entrypoint},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": blob(_CONFIG, json.dumps(config).encode()),
        "layers": [layer],
    }
    described = blob(_MANIFEST, json.dumps(manifest).encode())
    # Without this annotation an import leaves the image nameless.
    described["annotations"] = {"io.containerd.image.name": name}
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [described]}
    layout = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps(index).encode()}
    return tar(layout | blobs)
