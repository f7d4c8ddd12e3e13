"""The relay Secret."""

from base64 import b64decode
from typing import Any

from tests.unit.operator.builders.support import OWNER

from labelloop_operator.builders.relay_secret import kept_connection, relay_secret, still_kept

CONNECTION = {"url": b"http://label-studio:8080", "token": b"secret", "ca.crt": b"pem"}


def values(manifest: dict[str, Any]) -> dict[str, bytes]:
    return {key: b64decode(value) for key, value in manifest["data"].items()}


def test_it_holds_both_bearers() -> None:
    found = relay_secret(OWNER, "one", "two", {})
    assert found["metadata"]["name"] == "intents-ml-relay"
    assert "finalizers" not in found["metadata"]
    assert values(found) == {"relay": b"one", "webhook": b"two"}


def test_the_connection_is_kept_until_the_operator_lets_go_of_it() -> None:
    found = relay_secret(OWNER, "one", "two", CONNECTION)
    assert found["metadata"]["finalizers"] == ["labelloop.dev/cleanup"]
    assert kept_connection(values(found)) == CONNECTION
    assert kept_connection(values(relay_secret(OWNER, "one", "two", {}))) == {}


def test_what_is_kept_stays_while_the_connection_secret_cannot_be_read() -> None:
    live = relay_secret(OWNER, "one", "two", CONNECTION)
    assert still_kept(relay_secret(OWNER, "one", "two", {}), live) == live


def test_a_new_connection_replaces_the_one_kept() -> None:
    live = relay_secret(OWNER, "one", "two", CONNECTION)
    wanted = relay_secret(OWNER, "one", "two", {"url": b"http://other", "token": b"x"})
    assert still_kept(wanted, live) == wanted
    assert still_kept(wanted, {"metadata": {}}) == wanted
