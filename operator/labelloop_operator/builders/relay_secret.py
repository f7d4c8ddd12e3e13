"""The Secret by which backend pods prove themselves to the operator, and Label Studio's webhook to the pods.

It also keeps how Label Studio was reached, and is held by a finalizer until nothing is registered there any more: when
a namespace is deleted while the operator is away, the user's connection Secret goes before the operator is back.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.builders.metadata import Owner, metadata

RELAY_KEY = "relay"
WEBHOOK_KEY = "webhook"
KEPT = "label-studio-"
"""Before the keys of the connection Secret (url, token, ca.crt)."""


def relay_secret(owner: Owner, relay: str, webhook: str, connection: Mapping[str, bytes]) -> dict[str, Any]:
    """Secret `NAME-ml-relay`; both values are derived from the operator's key, so it can be applied at any time.

    `connection`: what the connection Secret says, empty when nothing is registered or it cannot be read.
    """
    values = {RELAY_KEY: relay.encode(), WEBHOOK_KEY: webhook.encode()}
    values |= {f"{KEPT}{key}": value for key, value in sorted(connection.items())}
    described = metadata(owner, names.relay_secret_name(owner.name), names.COMPONENT_RELAY)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {**described, "finalizers": [names.FINALIZER]} if connection else described,
        "type": "Opaque",
        "data": {key: b64encode(value).decode() for key, value in values.items()},
    }


def kept_connection(values: Mapping[str, bytes]) -> dict[str, bytes]:
    """The connection that the Secret's values keep; empty when it keeps none."""
    return {key.removeprefix(KEPT): value for key, value in values.items() if key.startswith(KEPT)}


def still_kept(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with the connection that the live Secret keeps, when it names none itself: no better is known."""
    ours, theirs = wanted["data"], live.get("data") or {}
    if any(key.startswith(KEPT) for key in ours) or not any(key.startswith(KEPT) for key in theirs):
        return dict(wanted)
    kept = {key: value for key, value in theirs.items() if key.startswith(KEPT)}
    held = {**wanted["metadata"], "finalizers": [names.FINALIZER]}
    return {**wanted, "metadata": held, "data": {**ours, **kept}}
