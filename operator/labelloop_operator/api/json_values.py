"""JSON values of unknown content, read with tolerance, and written without nulls."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from labelloop_operator.api.times import format_time

T = TypeVar("T")


def mapping(value: object) -> Mapping[str, Any]:
    """The mapping, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def text(value: object) -> str | None:
    """A text that is not empty."""
    return value if isinstance(value, str) and value else None


def whole(value: object) -> int | None:
    """A whole number, no truth value."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def count(value: object) -> int:
    """A whole number of at least 0."""
    return max(0, whole(value) or 0)


def list_of(value: object, read: Callable[[Mapping[str, Any]], T | None]) -> tuple[T, ...]:
    """What could be read of a list's mappings."""
    found = (read(item) for item in value if isinstance(item, Mapping)) if isinstance(value, list) else ()
    return tuple(item for item in found if item is not None)


def time_text(moment: datetime | None) -> str | None:
    """A time as it is in status."""
    return None if moment is None else format_time(moment)


def without_nothing(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    """No nulls and no empty containers: applied again they would count as changes."""
    return {name: value for name, value in fields.items() if value is not None and value not in ({}, [])}
