"""Go-like durations (`30s`, `1h30m`, `1.5h`): one grammar for the CRD's pattern and the operator's settings."""

import re

PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Seconds of a Go-like duration; raises ValueError naming the grammar."""
    if not re.fullmatch(PATTERN[1:-1], text):
        raise ValueError(
            f"{text!r:.120} is not a duration; write numbers with unit ms, s, m or h, such as 30s or 1h30m"
        )
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
