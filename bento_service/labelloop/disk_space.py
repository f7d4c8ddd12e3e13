"""A full volume, told apart from other errors of input and output."""

import errno

DISK_FULL = (
    "the working volume is full: free space on the node, or give the training more ephemeral storage "
    "(spec.training.resources)"
)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error of the operating system says that no space, or none of a quota, is left."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
