"""Pushes an image: `python -m tools.push_image build/images/backend.tar host:5000/labelloop/backend:dev`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from labelloop.environment import SettingsError
from labelloop.publishing.credentials import read_docker_config
from labelloop.publishing.reference import DEFAULT_TAG, ImageNameError, Reference
from labelloop.publishing.registry import Repository
from labelloop.publishing.registry_errors import RegistryError
from tools.images.archive import ImageArchive
from tools.images.cache import BuildError, cache_directory

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def push_image(archive: Path, reference: Reference, repository: Repository, cache: Path) -> str:
    """Push the archive's image under the reference's tag; returns its digest. Layers that are there stay there."""
    image = ImageArchive.read(archive)
    layers = [
        {"mediaType": LAYER_TYPE, "size": file.stat().st_size, "digest": repository.put_file(file)}
        for file in image.compressed_layers(cache)
    ]
    config = {"mediaType": CONFIG_TYPE, "size": len(image.config), "digest": repository.put_blob(image.config)}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": layers}
    return repository.put_manifest(reference.tag or DEFAULT_TAG, json.dumps(manifest, separators=(",", ":")).encode())


def main(
    archive: Annotated[Path, typer.Argument(help="Docker archive, such as build/images/backend.tar.")],
    reference: Annotated[str, typer.Argument(help="host[:port]/repository[:tag]")],
    plain_http: Annotated[bool, typer.Option("--plain-http", help="The registry has no TLS.")] = False,
    config: Annotated[Path | None, typer.Option(help="A docker config.json with the registry's credentials.")] = None,
) -> None:
    """Push an image to a registry and print its digest."""
    try:
        target = Reference.parse(reference)
        credentials = read_docker_config(config, "--config")
        with Repository(target, plain_http=plain_http, config=credentials) as repository:
            print(push_image(archive, target, repository, cache_directory()))
    except (BuildError, RegistryError, SettingsError, ImageNameError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    typer.run(main)
