"""The mirror that apt is configured for."""

from pathlib import Path

import pytest
from tools.images.cache import BuildError
from tools.images.debian import mirror

ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb http://other.example/debian trixie main
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://mirror.example/debian bookworm main contrib
"""
DEB822 = """\
Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
# http://snapshot.example
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DEBIAN_MIRROR", raising=False)
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text"),
    [("sources.list", ONE_LINE), ("sources.list.d/a.list", ONE_LINE), ("sources.list.d/debian.sources", DEB822)],
)
def test_the_suites_mirror_is_found(apt: Path, file: str, text: str):
    (apt / file).write_text(text)
    assert mirror("bookworm", apt) == "http://mirror.example/debian"


def test_the_environment_goes_first(apt: Path, monkeypatch: pytest.MonkeyPatch):
    (apt / "sources.list").write_text(ONE_LINE)
    monkeypatch.setenv("DEBIAN_MIRROR", "http://own.example/debian")
    assert mirror("bookworm", apt) == "http://own.example/debian"


def test_without_a_mirror_the_remedies_are_told(apt: Path):
    with pytest.raises(BuildError, match=r"DEBIAN_MIRROR.*BASE_IMAGE"):
        mirror("bookworm", apt)
