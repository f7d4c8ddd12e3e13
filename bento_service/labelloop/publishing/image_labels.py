"""What an image published by a training says about itself: its labels (docs/internals/interfaces.md 2.4)."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labelloop.publishing.append import BASE_NAME, LISTS
from labelloop.publishing.credentials import DockerConfig
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Manifest, Repository, json_object
from labelloop.publishing.registry_errors import NotInRegistryError
from labelloop.training.result import Result, ResultError

LABEL_PREFIX = "labelloop.dev/"
MODEL_VERSION = "labelloop.dev/model-version"
DATASET_DIGEST = "labelloop.dev/dataset-digest"
SNAPSHOT = "labelloop.dev/snapshot"
RESULT = "labelloop.dev/result"


def image_labels(result: Result, snapshot: Reference | None) -> dict[str, str]:
    """Labels of the image. How the data were read, and how long it took, differs each time; the image must not."""
    labels = {
        MODEL_VERSION: result.version or "",
        DATASET_DIGEST: result.dataset_digest or "",
        RESULT: replace(result, read={}, seconds={}, image=None, snapshot=None, base_image=None).to_json(),
    }
    return labels if snapshot is None else {**labels, SNAPSHOT: str(snapshot)}


def created_at(result: Result) -> str:
    """The image's time of creation: that of the newest annotation in it, which a second publication shares."""
    moment = result.cut.updated_at if result.cut else None
    return (moment or datetime.fromtimestamp(0, UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def image_and_configuration(repository: Repository, top: Manifest) -> tuple[dict[str, Any], dict[str, Any]]:
    """An image's manifest and configuration; of a list the first's, since all were published together.

    Raises RegistryError; LookupError and TypeError when it is no image.
    """
    document = top.document()
    if top.media_type in LISTS:
        document = repository.manifest(str(document["manifests"][0]["digest"])).document()
    content = repository.blob(str(document["config"]["digest"]))
    return document, json_object(content, "an image's configuration")


def read_result(
    repository: str,
    tag: str,
    *,
    plain_http: bool = False,
    config: DockerConfig | None = None,
    certificates: Path | None = None,
) -> Result | None:
    """The result of the training that published `repository:tag`, with image and snapshot; None: no such image.

    For a Job whose pod is gone: the image carries the Job's tag. Raises RegistryError, ImageNameError, and
    ResultError for an image that no training of ours made.
    """
    reference = Reference.parse(repository).with_tag(tag)
    with Repository(reference, plain_http=plain_http, config=config, certificates=certificates) as remote:
        try:
            top = remote.manifest(tag)
        except NotInRegistryError:
            return None
        try:
            _, configuration = image_and_configuration(remote, top)
            labels = dict(configuration["config"]["Labels"])
            text, snapshot = str(labels[RESULT]), labels.get(SNAPSHOT)
        except (LookupError, TypeError, ValueError):
            raise ResultError(f"{reference}: the image has no label {RESULT}, so no training published it") from None
    kept = None if snapshot is None else str(snapshot)
    base = labels.get(BASE_NAME)
    return replace(
        Result.from_json(text),
        image=str(reference.with_digest(top.digest)),
        snapshot=kept,
        base_image=None if base is None else str(base),
    )
