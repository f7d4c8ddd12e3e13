"""Build hook: the wheel holds the commit that it was built from, when git knows it (labelloop.cli.version)."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface[Any]):
    """Adds labelloop/commit.txt."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Before the build."""
        self._folder = Path(tempfile.mkdtemp(prefix="labelloop-build-"))
        commit = _commit(self.root)
        if commit is not None:
            (self._folder / "commit.txt").write_text(f"{commit}\n")
            build_data["force_include"][str(self._folder / "commit.txt")] = "labelloop/commit.txt"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """After it."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _commit(root: str) -> str | None:
    # An archive that is unpacked within another repository has no commit of its own.
    if not (Path(root) / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
