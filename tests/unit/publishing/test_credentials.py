"""Docker's config.json."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop.environment import SettingsError
from labelloop.publishing.credentials import Credentials, parse_docker_config, read_docker_config


def config(**auths: object) -> bytes:
    return json.dumps({"auths": auths}).encode()


def encoded(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def test_the_entry_of_the_registry_is_taken():
    parsed = parse_docker_config(config(**{"a:5000": encoded("one:p:q"), "b": {"username": "two", "password": "x"}}))

    assert parsed.for_repository("a:5000", "team/intents") == Credentials("one", "p:q")
    assert parsed.for_repository("b", "team/intents") == Credentials("two", "x")
    assert parsed.for_repository("a", "team/intents") is None


def test_the_longest_entry_wins_and_whole_names_only():
    parsed = parse_docker_config(
        config(**{"a": encoded("host:x"), "a/team": encoded("team:x"), "a/te": encoded("no:x")})
    )

    assert parsed.for_repository("a", "team/intents") == Credentials("team", "x")
    assert parsed.for_repository("a", "team") == Credentials("team", "x")
    assert parsed.for_repository("a", "other") == Credentials("host", "x")


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"])
def test_dockers_own_registry_has_several_names(key: str):
    assert parse_docker_config(config(**{key: encoded("u:p")})).for_repository("docker.io", "a/b") == Credentials(
        "u", "p"
    )


def test_entries_left_to_a_helper_program_count_as_none():
    assert parse_docker_config(config(a={})).for_repository("a", "b") is None
    assert parse_docker_config(b'{"credsStore": "desktop"}').for_repository("a", "b") is None


@given(st.binary() | st.builds(lambda value: json.dumps({"auths": {"a": value}}).encode(), st.text() | st.integers()))
def test_rubbish_gives_one_kind_of_error(content: bytes):
    try:
        parse_docker_config(content)
    except ValueError as error:
        assert "config.json" in str(error)  # noqa: PT017 - valid documents are fine too


def test_errors_name_variable_and_file_but_no_secret(tmp_path: Path):
    file = tmp_path / "config.json"
    file.write_bytes(config(a={"auth": "c2VjcmV0"}))

    with pytest.raises(SettingsError, match="VARIABLE") as caught:
        read_docker_config(file, "VARIABLE")

    assert str(file) in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)
    assert "secret:" not in str(caught.value)
