"""What a model file says, read with suspicion: a value of another kind than expected is left out."""

from collections.abc import Mapping
from datetime import datetime, timedelta

LARGEST = 1e15


def as_text(value: object, *, percent: bool = False) -> str:
    """A number as people read it, "-" for anything else; `percent`: a share as per cent."""
    number = as_number(value)
    if number is None:
        return "-"
    if percent:
        return f"{number:.1%}"
    return f"{number:,.0f}" if number == int(number) else f"{number:.3f}"


def as_time(value: object) -> str:
    """A moment (RFC 3339) as people read it; what is no time stays as it is."""
    try:
        moment = datetime.fromisoformat(str(value or "-"))
    except ValueError:
        return str(value or "-")
    return f"{moment:%Y-%m-%d %H:%M}" + (" UTC" if moment.utcoffset() == timedelta(0) else "")


def as_share(value: object) -> float | None:
    """A number of 0 to 1; None for anything else."""
    number = as_number(value)
    return number if number is not None and 0 <= number <= 1 else None


def as_number(value: object) -> float | None:
    """A number; None for anything else, such as infinity, or what no count or figure can be."""
    is_usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
    return float(value) if is_usable else None  # type: ignore[arg-type]


def as_mapping(value: object) -> Mapping[str, object]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[object]:
    """A list; an empty one for anything else."""
    return value if isinstance(value, list) else []
