"""Secrets derived from the operator's key: they can be applied at any time and checked without reading them back."""

import hashlib
import hmac
from hmac import compare_digest


def relay_secret(key: bytes, uid: str) -> str:
    """What a backend's pods prove themselves with to the operator (hex)."""
    return _derived(key, f"relay:{uid}")


def webhook_secret(key: bytes, uid: str) -> str:
    """What Label Studio's webhook proves itself with to the pods (hex)."""
    return _derived(key, f"webhook:{uid}")


def constant_time_equal(one: str, other: str) -> bool:
    """Comparison in constant time. Headers of HTTP may hold bytes that are no text."""
    return compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))


def _derived(key: bytes, purpose: str) -> str:
    return hmac.new(key, purpose.encode(), hashlib.sha256).hexdigest()
