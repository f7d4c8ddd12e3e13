"""`labelloop rebase`: the model layer of a published image on another base image, without a training.

The layer's bytes, the labels that tell of the training and the time of creation are those of the published image, so
the same base gives the same digest again.
"""

import gzip
import hashlib
import io
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

from labelloop.publishing.append import Addition
from labelloop.publishing.container_main import LOG, run_role
from labelloop.publishing.image_labels import LABEL_PREFIX, MODEL_VERSION, image_and_configuration
from labelloop.publishing.model_image import MAX_BYTES
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository
from labelloop.publishing.registry_errors import RegistryError
from labelloop.publishing.registry_settings import RebaseSettings
from labelloop.training.result import Result, ResultError, read_result

_CHUNK = 1024**2


@dataclass(frozen=True)
class PublishedLayer:
    """A layer as the registry holds it."""

    compressed: bytes = field(repr=False)
    diff_id: str


def main() -> int:
    """Run the container; returns its exit code."""
    return run_role(run)


def run() -> Result:
    """Push the image when `verify` found the answers to be the same; its result is repeated with the image.

    Raises SettingsError, RegistryError, ResultError.
    """
    settings = RebaseSettings.from_environment()
    publish = settings.publish
    result = read_result(publish.work_directory / "out" / "result.json")
    if result.outcome != "Rebased":
        LOG.info("no image to publish: %s, %s", result.outcome, result.message)
        return result
    with publish.registry.repository(settings.active_image) as remote:
        addition = model_addition(remote, settings.active_image)
    version = addition.labels.get(MODEL_VERSION, "")
    if not version or version != result.version:
        raise ResultError(f"{settings.active_image} holds {version or 'no version'}, {result.version} was verified")
    image = publish.registry.append(publish.base_image, publish.repository, addition, [publish.job, version])
    LOG.info("pushed the image %s: %s on %s", image, version, publish.base_image)
    return replace(result, image=str(image))


def model_addition(repository: Repository, image: Reference) -> Addition:
    """What the published image has beyond its base. Raises RegistryError; ResultError when it is none of ours."""
    manifest = repository.manifest(image.version)
    try:
        document, configuration = image_and_configuration(repository, manifest)
        labels = dict(configuration["config"]["Labels"])
        layer = _layer(repository, str(document["layers"][-1]["digest"]), configuration)
        return Addition(
            layer=layer,
            labels={name: str(value) for name, value in labels.items() if name.startswith(LABEL_PREFIX)},
            created=str(configuration["created"]),
        )
    except (LookupError, TypeError, AttributeError):
        raise ResultError(f"{image} is no image that a training of ours published") from None


def _layer(repository: Repository, digest: str, configuration: dict[str, Any]) -> PublishedLayer:
    compressed = repository.blob(digest, MAX_BYTES)
    diff_id = str(configuration["rootfs"]["diff_ids"][-1])
    if _unpacked_digest(compressed) != diff_id:
        raise RegistryError("Unknown", f"{repository.name}: the layer {digest} is not the one its image names")
    return PublishedLayer(compressed, diff_id)


def _unpacked_digest(compressed: bytes) -> str | None:
    """Of the gzipped bytes, within bounds; None when they are none, or beyond."""
    found, size = hashlib.sha256(), 0
    try:
        with gzip.open(io.BytesIO(compressed)) as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
                size += len(chunk)
                if size > MAX_BYTES:
                    return None
    except (OSError, EOFError, zlib.error):
        return None
    return f"sha256:{found.hexdigest()}"
