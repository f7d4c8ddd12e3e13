"""The relay Secret."""

from base64 import b64decode

from tests.unit.operator.builders.support import OWNER

from labelloop_operator.builders.relay_secret import relay_secret


def test_it_holds_both_bearers() -> None:
    found = relay_secret(OWNER, "one", "two")
    assert found["metadata"]["name"] == "intents-ml-relay"
    values = {key: b64decode(value).decode() for key, value in found["data"].items()}
    assert values == {
        "relay": "one",
        "webhook": "two",
    }
