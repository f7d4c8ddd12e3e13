"""Files in the cache."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.images.cache import cache_directory, digest_of, keep_newest, place, written_whole


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LABELLOOP_CACHE": "{}/own", "XDG_CACHE_HOME": "{}/xdg"}, "own"),
        ({"XDG_CACHE_HOME": "{}/xdg"}, "xdg/labelloop"),
        ({"HOME": "{}"}, ".cache/labelloop"),
    ],
)
def test_the_cache_lies_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
):
    for name in ("LABELLOOP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))

    assert cache_directory() == tmp_path / expected
    assert cache_directory().is_dir()


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_parts_cannot_be_shifted_into_each_other(one: list[str], other: list[str]):
    assert (digest_of(one) == digest_of(other)) == (one == other)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    target = tmp_path / "file"
    target.write_text("old")

    with pytest.raises(RuntimeError), written_whole(target) as partial:  # noqa: PT012
        partial.write_text("half")
        raise RuntimeError

    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_placed_file_follows_the_cache(tmp_path: Path):
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    target = tmp_path / "build" / "images" / "x.tar"

    place(tmp_path / "one", target)
    place(tmp_path / "one", target)
    assert target.read_text() == "1"
    place(tmp_path / "two", target)
    assert target.read_text() == "2"
    assert (tmp_path / "one").read_text() == "1"


def test_only_the_newest_are_kept(tmp_path: Path):
    for number in range(5):
        path = tmp_path / f"{number}.tar"
        path.touch()
        os.utime(path, (number, number))
    (tmp_path / "other").touch()

    keep_newest("*.tar", tmp_path, 2)

    assert {path.name for path in tmp_path.iterdir()} == {"3.tar", "4.tar", "other"}
