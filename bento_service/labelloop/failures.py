"""Describes exceptions without their message, which may quote the text of a task; recognizes a full volume."""

import errno
import traceback
from pathlib import Path

DISK_FULL = (
    "the working volume is full: free space on the node, or give the training more ephemeral storage "
    "(spec.training.resources)"
)


def raise_site(error: BaseException) -> str:
    """File and line that raised it. The exception has been raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def frames(error: BaseException) -> tuple[str, ...]:
    """All lines it came through, the one that raised it last."""
    return tuple(
        f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
    )


def is_disk_full(error: BaseException) -> bool:
    """Whether an error of the operating system reports that no space, or none of a quota, is left."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
