"""`labelloop restore`: the snapshot of the last training, from the registry into the working folder.

Without one that can be used the training reads everything from Label Studio, so only a registry that cannot be asked is
a failure.
"""

from labelloop.datasets.snapshot import Snapshot, SnapshotError
from labelloop.publishing.errors import NotInRegistryError, RegistryError
from labelloop.publishing.role import LOG, run_role
from labelloop.publishing.settings import RestoreSettings
from labelloop.publishing.snapshot_artifact import FILE_NAME, NotASnapshotError, pull_snapshot
from labelloop.training.result import Result


def main() -> int:
    """Run the container; returns its exit code."""
    return run_role(run)


def run() -> Result | None:
    """Leave `restored/snapshot.jsonl.gz`, or nothing. Raises SettingsError, RegistryError."""
    settings = RestoreSettings.from_environment()
    # The first container of the pod makes the folder that TMPDIR names for all three.
    (settings.work_directory / "tmp").mkdir(parents=True, exist_ok=True)
    if settings.snapshot is None:
        LOG.info("no snapshot yet: everything will be read from Label Studio")
        return None
    folder = settings.work_directory / "restored"
    folder.mkdir(exist_ok=True)
    path = folder / FILE_NAME
    try:
        with settings.registry.repository(settings.snapshot) as repository:
            pull_snapshot(repository, settings.snapshot, path)
        Snapshot.read(path)
    except (NotInRegistryError, NotASnapshotError, SnapshotError) as error:
        path.unlink(missing_ok=True)
        LOG.warning("the snapshot cannot be used, everything will be read from Label Studio: %s", error)
    except RegistryError as error:
        if error.reason != "Unknown":
            raise
        path.unlink(missing_ok=True)
        LOG.warning("the snapshot cannot be fetched, everything will be read from Label Studio: %s", error)
    else:
        LOG.info("restored %s, %d bytes", settings.snapshot, path.stat().st_size)
    return None
