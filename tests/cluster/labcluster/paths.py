"""Where things lie: the cache of this user and the run folder of this machine."""

import os
import pwd
from pathlib import Path

# Indexes and names belong to the machine (addresses, interfaces), whatever cache folder a caller chose.
RUN = Path("/run/labelloop")
PACKAGE = Path(__file__).resolve().parent
SOURCES = PACKAGE.parent / "binaries"


def cache() -> Path:
    """The cache folder; found through the user database when the environment is empty."""
    chosen = os.environ.get("LABELLOOP_CACHE")
    if chosen:
        return Path(chosen)
    home = os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    return Path(os.environ.get("XDG_CACHE_HOME") or Path(home) / ".cache") / "labelloop"


def linked_program(name: str) -> Path:
    """The link to a built program (kubectl, helm) that works with an empty environment."""
    return RUN / "bin" / name
