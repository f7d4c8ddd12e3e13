"""What `labelloop --version` prints: name, version, commit and Python."""

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from labelloop import __version__

COMMIT_FILE = "commit.txt"
"""In an installed package: the commit that the wheel was built from (hatch_build.py)."""
_PACKAGE = Path(__file__).parents[1]
_GIT_SECONDS = 5.0


def version_line() -> str:
    """One line; the commit is left out where nobody knows it."""
    known = commit()
    where = f", commit {known[:12]}" if known else ""
    return f"labelloop {__version__}{where}, Python {platform.python_version()}"


def commit(package: Path = _PACKAGE) -> str | None:
    """From the build, from what pip noted of an installation, or from git in a checkout; None without any of them."""
    try:
        return (package / COMMIT_FILE).read_text("ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return _of_checkout(package) or _of_installation()


def _of_checkout(package: Path) -> str | None:
    root = package.parents[1]
    # Another project's repository must not answer for a package that is installed within it.
    if package.parent.name != "bento_service" or not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _of_installation() -> str | None:
    try:
        noted = metadata.distribution("labelloop").read_text("direct_url.json")
        found = json.loads(noted or "{}").get("vcs_info", {}).get("commit_id")
    except (metadata.PackageNotFoundError, ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None
