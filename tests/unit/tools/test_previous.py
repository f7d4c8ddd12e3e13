"""The previous version is found by tag or by commit, and whoever lacks it gets what to do."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from tools.images.cache import BuildError
from tools.images.previous import PreviousVersion, checked_commit, previous_sources, recorded

TAG = "v1"


def git(folder: Path, *arguments: str) -> str:
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for role in ("AUTHOR", "COMMITTER"):
        settings |= {f"GIT_{role}_NAME": "Somebody", f"GIT_{role}_EMAIL": "somebody@example.org"}
    command = ["git", "-c", "init.defaultBranch=main", *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ | settings, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits; the first is the previous version, and not tagged yet."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "file").write_text("before")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "before")
    (folder / "file").write_text("after")
    previous = git(folder, "rev-parse", "HEAD")
    (folder / "pyproject.toml").write_text(f'[tool.labelloop.previous-version]\ntag = "{TAG}"\ncommit = "{previous}"\n')
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "after")
    return folder


def test_the_files_are_those_of_the_commit_and_go_in_the_end(repository: Path):
    (repository / "file").write_text("not committed")
    with previous_sources(repository) as sources:
        assert [path.name for path in sources.iterdir()] == ["file"]
        assert (sources / "file").read_text() == "before"
    assert not sources.exists()


def test_a_tag_at_the_recorded_commit_is_right(repository: Path):
    version = recorded(repository)
    git(repository, "tag", "--annotate", TAG, version.commit, "--message", "previous")
    assert checked_commit(version, repository) == version.commit


def test_a_tag_elsewhere_is_told(repository: Path):
    git(repository, "tag", "--annotate", TAG, "HEAD", "--message", "moved")
    with pytest.raises(BuildError, match=r"tag v1 stands at .* mend whichever is wrong"):
        checked_commit(recorded(repository), repository)


def test_a_shallow_clone_is_told_the_remedy(repository: Path, tmp_path: Path):
    git(tmp_path, "clone", "--quiet", "--depth", "1", repository.as_uri(), "shallow")
    with pytest.raises(BuildError, match="git fetch --unshallow --tags"), previous_sources(tmp_path / "shallow"):
        pass
    git(tmp_path / "shallow", "fetch", "--quiet", "--unshallow", "--tags")
    with previous_sources(tmp_path / "shallow") as sources:
        assert (sources / "file").read_text() == "before"


def test_a_commit_that_nobody_has_is_told(repository: Path):
    with pytest.raises(BuildError, match="lacks commit"):
        checked_commit(PreviousVersion(TAG, "0" * 40), repository)


def test_files_without_history_are_told(tmp_path: Path):
    with pytest.raises(BuildError, match="no git checkout"):
        checked_commit(PreviousVersion(TAG, "0" * 40), tmp_path)


def test_a_whole_commit_id_is_recorded():
    """A short one may mean two commits some day. Whether it is in this clone is asked when images are built."""
    assert re.fullmatch(r"[0-9a-f]{40}", recorded().commit)
