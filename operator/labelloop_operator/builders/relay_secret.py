"""The Secret by which backend pods prove themselves to the operator, and Label Studio's webhook to the pods."""

from base64 import b64encode
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.builders.metadata import Owner, metadata

RELAY_KEY = "relay"
WEBHOOK_KEY = "webhook"


def relay_secret(owner: Owner, relay: str, webhook: str) -> dict[str, Any]:
    """Secret `NAME-ml-relay`; both values are derived from the operator's key, so it can be applied at any time."""
    values = {RELAY_KEY: relay, WEBHOOK_KEY: webhook}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(owner, names.relay_secret_name(owner.name), names.COMPONENT_RELAY),
        "type": "Opaque",
        "data": {key: b64encode(value.encode()).decode() for key, value in values.items()},
    }
