"""The version before this one, from this repository's own history: upgrades are tested from it, and back to it.

pyproject.toml names its tag and the commit of that: a clone may come without tags.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.images.cache import BuildError

ROOT = Path(__file__).resolve().parents[2]
RECORD = "tool.labelloop.previous-version"


@dataclass(frozen=True)
class PreviousVersion:
    """A version by its tag, and by the whole id of the commit where that stands."""

    tag: str
    commit: str


def recorded(root: Path = ROOT) -> PreviousVersion:
    """Return what pyproject.toml says."""
    found = tomllib.loads((root / "pyproject.toml").read_text())
    for name in RECORD.split("."):
        found = found[name]
    return PreviousVersion(**found)


def checked_commit(version: PreviousVersion, root: Path = ROOT) -> str:
    """Return the version's commit, which is in the history, and where its tag stands if that is there."""
    tagged = _commit(root, f"refs/tags/{version.tag}")
    if tagged not in (None, version.commit):
        raise BuildError(
            f"tag {version.tag} stands at {tagged}, and [{RECORD}] of pyproject.toml says {version.commit}: "
            "mend whichever is wrong (`git fetch --tags --force` takes the remote's tag)."
        )
    if _commit(root, version.commit) is None:
        raise BuildError(f"the previous version {version.tag} is not here: {_why_missing(version, root)}")
    return version.commit


@contextmanager
def previous_sources(root: Path = ROOT) -> Iterator[Path]:
    """Yield a folder with the previous version's files, as they were committed."""
    commit = checked_commit(recorded(root), root)
    done = _git(root, "archive", "--format=tar", commit)
    if done.returncode != 0:
        raise BuildError(f"git archive {commit} failed: {done.stderr.decode()}")
    with tempfile.TemporaryDirectory(prefix="labelloop-previous-") as folder:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def _why_missing(version: PreviousVersion, root: Path) -> str:
    shallow = _git(root, "rev-parse", "--is-shallow-repository")
    if shallow.returncode != 0:
        return f"{root} is no git checkout. Clone the repository, with its history."
    if shallow.stdout.strip() == b"true":
        return f"this clone is shallow and lacks commit {version.commit}. Run `git fetch --unshallow --tags`."
    return f"this repository lacks commit {version.commit}. Run `git fetch --tags` from where it was published."


def _commit(root: Path, name: str) -> str | None:
    """The id of a commit that is here."""
    # ^{commit} looks the object up; a full id alone would be taken at its word.
    done = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return done.stdout.decode().strip() if done.returncode == 0 else None


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    except FileNotFoundError:
        raise BuildError("git is needed to read the previous version: apt-get install git.") from None
