"""`labelloop publish`: the snapshot first, then the image whose label names it.

In this order an image never names a snapshot that does not exist. Both get the Job's tag first: whatever a failed
push leaves in the registry is found by it, and deleted by the operator.
"""

import time
from dataclasses import replace
from pathlib import Path

from labelloop.publishing.append import Addition
from labelloop.publishing.container_main import LOG, run_role
from labelloop.publishing.image_labels import created_at, image_labels
from labelloop.publishing.layer import model_layer
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry_settings import PublishSettings
from labelloop.publishing.snapshot_artifact import FILE_NAME, push_snapshot
from labelloop.training.result import Result, ResultError, read_result

SNAPSHOT_REPOSITORY = "snapshot"


def main() -> int:
    """Run the container; returns its exit code."""
    return run_role(run)


def run() -> Result:
    """Push what a training made: the snapshot, if it left one, and the image, of a refused model too (for inspection).

    Without a model the snapshot is pushed all the same: a text that was deleted must leave the newest one.
    Raises SettingsError, RegistryError, LayerError, ResultError.
    """
    settings = PublishSettings.from_environment()
    output = settings.work_directory / "out"
    result = read_result(output / "result.json")
    trained = result.outcome in ("Trained", "Refused")
    if trained and not result.version:
        raise ResultError(f"{output / 'result.json'}: a trained model has no version")
    started = time.monotonic()
    snapshot = _push_snapshot(settings, output, result.version if trained else None)
    if not trained:
        LOG.info("no image to publish: %s, %s", result.outcome, result.message)
        return replace(result, snapshot=str(snapshot)) if snapshot else result
    addition = Addition(model_layer(output / "model"), image_labels(result, snapshot), created_at(result))
    tags = [settings.job, result.version or ""]
    image = settings.registry.append(settings.base_image, settings.repository, addition, tags)
    seconds = time.monotonic() - started
    LOG.info("pushed the image %s in %.2f s", image, seconds)
    return replace(
        result,
        image=str(image),
        snapshot=str(snapshot) if snapshot else None,
        seconds={**result.seconds, "publish": round(seconds, 3)},
    )


def _push_snapshot(settings: PublishSettings, output: Path, version: str | None) -> Reference | None:
    """Tagged with the Job's tag and the model's version, if there is one; None when the training left no snapshot."""
    if not (output / FILE_NAME).exists():
        return None
    snapshots = settings.repository.below(SNAPSHOT_REPOSITORY)
    with settings.registry.repository(snapshots) as repository:
        digest = push_snapshot(repository, output / FILE_NAME, tags=[settings.job, *([version] if version else [])])
    snapshot = snapshots.with_digest(digest)
    LOG.info("pushed the snapshot %s", snapshot)
    return snapshot
