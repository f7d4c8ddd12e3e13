"""`labelloop restore`: what the last training left, from the registry into the working folder.

Without a usable snapshot the training reads everything from Label Studio, and without the model that serves nothing is
compared with it, so only a registry that cannot be asked is a failure.
"""

import shutil

from labelloop.datasets.snapshot import WHY_FILE, Snapshot, SnapshotError
from labelloop.publishing.container_main import LOG, run_role
from labelloop.publishing.model_image import NotAModelImageError, pull_model
from labelloop.publishing.registry_errors import NotInRegistryError, RegistryError
from labelloop.publishing.registry_settings import RestoreSettings
from labelloop.publishing.snapshot_artifact import FILE_NAME, NotASnapshotError, pull_snapshot
from labelloop.training.result import Result


def main() -> int:
    """Run the container; returns its exit code."""
    return run_role(run)


def run() -> Result | None:
    """Leave `restored/snapshot.jsonl.gz` and `restored/model`, or nothing. Raises SettingsError, RegistryError."""
    settings = RestoreSettings.from_environment()
    # The first container of the pod makes the folder that TMPDIR names for all three.
    (settings.work_directory / "tmp").mkdir(parents=True, exist_ok=True)
    _restore_model(settings)
    if settings.snapshot is None:
        LOG.info("no snapshot yet: everything will be read from Label Studio")
        return None
    folder = settings.work_directory / "restored"
    folder.mkdir(exist_ok=True)
    path = folder / FILE_NAME
    (folder / WHY_FILE).unlink(missing_ok=True)
    try:
        with settings.registry.repository(settings.snapshot) as repository:
            pull_snapshot(repository, settings.snapshot, path)
        Snapshot.read(path)
    except (RegistryError, NotASnapshotError, SnapshotError) as error:
        if isinstance(error, RegistryError) and error.reason != "Unknown":
            raise
        path.unlink(missing_ok=True)
        (folder / WHY_FILE).write_text(f"the snapshot of the last training cannot be used: {error}\n")
        LOG.warning("the snapshot cannot be used, everything will be read from Label Studio: %s", error)
    else:
        LOG.info("restored %s, %d bytes", settings.snapshot, path.stat().st_size)
    return None


def _restore_model(settings: RestoreSettings) -> None:
    if settings.active_image is None:
        return
    folder = settings.work_directory / "restored" / "model"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with settings.registry.repository(settings.active_image) as repository:
            pull_model(repository, settings.active_image, folder)
    except (NotInRegistryError, NotAModelImageError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        LOG.warning("the new model will not be compared with the one that serves: %s", error)
    else:
        LOG.info("restored the model of %s", settings.active_image)
