"""Kubernetes quantities in the canonical form that the API server stores (`1000m` -> `1`, `1.5Gi` -> `1536Mi`).

Manifests are compared with live objects as text, so what we send must be what comes back.
"""

import re
from fractions import Fraction
from math import ceil

PATTERN = r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]{1,2})?$"
MAX_LENGTH = 64
"""Twice what the CRD lets through."""
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]{1,2})?")
_BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
_DECIMAL = {-3: "n", -2: "u", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T", 5: "P", 6: "E"}
_NANO = Fraction(1, 10**9)


def canonical_quantity(value: str | int | float) -> str:
    """The canonical form of a non-negative quantity (apimachinery `Quantity.CanonicalizeBytes`); else ValueError."""
    number, suffix = _split(value)
    amount = ceil(number * _multiplier(suffix) / _NANO) * _NANO
    if amount == 0:
        return "0"
    if suffix in _BINARY[1:] and amount >= 1024 and amount.denominator == 1:
        return _binary(int(amount))
    return _decimal(amount, exponent_form=suffix[:1] in ("e", "E") and len(suffix) > 1)


def quantity_value(value: str | int | float) -> Fraction:
    """The exact amount, for comparing; ValueError as above."""
    number, suffix = _split(value)
    return number * _multiplier(suffix)


def _split(value: str | int | float) -> tuple[Fraction, str]:
    text = str(value)
    match = _QUANTITY.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if not match:
        raise ValueError(f"{value!r:.120} is not a quantity; write it like 500m, 2, 512Mi or 1.5Gi")
    return Fraction(match.group(1)), match.group(2) or ""


def _multiplier(suffix: str) -> Fraction:
    if suffix in _BINARY:
        return Fraction(1024 ** _BINARY.index(suffix))
    if len(suffix) > 1:
        return Fraction(10) ** int(suffix[1:])
    return Fraction(1000) ** next(power for power, unit in _DECIMAL.items() if unit == suffix)


def _binary(amount: int) -> str:
    power = 0
    while amount % 1024 == 0 and power < len(_BINARY) - 1:
        amount, power = amount // 1024, power + 1
    return f"{amount}{_BINARY[power]}"


def _decimal(amount: Fraction, exponent_form: bool) -> str:
    power = -3
    scaled = int(amount / _NANO)
    while scaled % 1000 == 0 and power < max(_DECIMAL):
        scaled, power = scaled // 1000, power + 1
    if exponent_form:
        return f"{scaled}e{power * 3}" if power else str(scaled)
    return f"{scaled}{_DECIMAL[power]}"
