"""`labelloop publish`: the snapshot first, then the image whose label names it.

In this order an image never names a snapshot that does not exist; a snapshot without an image only takes space.
"""

import time
from dataclasses import replace

from labelloop.publishing.append import Addition, append_layer
from labelloop.publishing.layer import model_layer
from labelloop.publishing.published import created_at, image_labels
from labelloop.publishing.role import LOG, run_role
from labelloop.publishing.settings import PublishSettings
from labelloop.publishing.snapshot_artifact import FILE_NAME, push_snapshot
from labelloop.training.result import Result, ResultError, read_result

SNAPSHOT_REPOSITORY = "snapshot"


def main() -> int:
    """Run the container; returns its exit code."""
    return run_role(run)


def run() -> Result:
    """Push what a training made, a refused model too (for inspection); without a model the result is repeated.

    Raises SettingsError, RegistryError, LayerError, ResultError.
    """
    settings = PublishSettings.from_environment()
    output = settings.work_directory / "out"
    result = read_result(output / "result.json")
    if result.outcome not in ("Trained", "Refused"):
        LOG.info("nothing to publish: %s, %s", result.outcome, result.message)
        return result
    if not result.version:
        raise ResultError(f"{output / 'result.json'}: a trained model has no version")
    started = time.monotonic()
    snapshots = settings.repository.below(SNAPSHOT_REPOSITORY)
    with settings.registry.repository(snapshots) as repository:
        snapshot = snapshots.with_digest(push_snapshot(repository, output / FILE_NAME, tag=result.version))
    LOG.info("pushed the snapshot %s", snapshot)
    addition = Addition(model_layer(output / "model"), image_labels(result, snapshot), created_at(result))
    with (
        settings.registry.repository(settings.base_image) as source,
        settings.registry.repository(settings.repository) as target,
    ):
        # The Job's name last: where that tag exists, everything does.
        digest = append_layer(source, settings.base_image, target, addition, [result.version, settings.job])
    image = settings.repository.with_digest(digest)
    seconds = time.monotonic() - started
    LOG.info("pushed the image %s in %.2f s", image, seconds)
    return replace(
        result, image=str(image), snapshot=str(snapshot), seconds={**result.seconds, "publish": round(seconds, 3)}
    )
