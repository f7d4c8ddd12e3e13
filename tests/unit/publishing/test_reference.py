"""Names of images."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop.publishing.reference import ImageNameError, Reference

DIGEST = "sha256:" + "0123456789abcdef" * 4
COMPONENT = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "host", "path", "tag", "digest"),
    [
        ("registry.tools:5000/team/intents", "registry.tools:5000", "team/intents", None, None),
        ("localhost/a:1.0", "localhost", "a", "1.0", None),
        ("10.231.0.2:5000/a/b@" + DIGEST, "10.231.0.2:5000", "a/b", None, DIGEST),
        ("[::1]:5000/a:x@" + DIGEST, "[::1]:5000", "a", "x", DIGEST),
        ("python:3.11-slim", "docker.io", "python", "3.11-slim", None),
        ("team/image", "docker.io", "team/image", None, None),
    ],
)
def test_parts(text: str, host: str, path: str, tag: str | None, digest: str | None):
    assert Reference.parse(text) == Reference(host, path, tag, digest)


@given(
    st.sampled_from(["localhost:5000", "registry.example", "10.0.0.1:80"]),
    st.lists(COMPONENT, min_size=1, max_size=4),
    st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True),
    st.none() | st.just(DIGEST),
)
def test_what_is_written_is_read(host: str, path: list[str], tag: str | None, digest: str | None):
    reference = Reference(host, "/".join(path), tag, digest)
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the path"),
        ("host:5000/UPPER", "'UPPER'"),
        ("host:5000/", "the path"),
        ("host:5000/a//b", "'a//b'"),
        ("host:5000/a:", "the tag"),
        ("host:5000/a: b", "the tag"),
        ("host:5000/a@", "the digest"),
        ("host:5000/a@sha256:12", "'sha256:12'"),
        ("http://host:5000/a", "the registry's host"),
        ("user@host/a", "the digest"),
        ("host:5000/a/../../b", "the path"),
    ],
)
def test_what_is_no_name_is_told(text: str, told: str):
    with pytest.raises(ImageNameError, match=r"is not the name of an image") as caught:
        Reference.parse(text)
    assert told in str(caught.value)


@given(st.text())
def test_any_text_is_a_name_or_refused(text: str):
    try:
        assert Reference.parse(text).path
    except ImageNameError as error:
        assert len(str(error)) < 700  # noqa: PT017 - names are fine too


def test_the_digest_goes_before_the_tag():
    assert Reference.parse(f"host:5000/a:1@{DIGEST}").version == DIGEST
    assert Reference.parse("host:5000/a:1").version == "1"
    assert Reference.parse("host:5000/a").version == "latest"
