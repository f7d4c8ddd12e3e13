"""Which release of Label Studio answers, and whether it is supported (docs/operations/operator.md)."""

import re

from labelloop.label_studio import responses
from labelloop.label_studio.errors import NotFound, NotLabelStudio, Rejected
from labelloop.label_studio.protocol import Operation, Request

OLDEST_SUPPORTED = "1.13.1"
NEWEST_TESTED = "1.23.2"


def release() -> Operation[str]:
    """The release, as in "1.23.2"; empty when the server does not say."""
    try:
        response = yield Request("GET", "/api/version")
        said = responses.read_object(response, "the release").get("release")
    except (NotFound, NotLabelStudio, Rejected):
        return ""
    return said if isinstance(said, str) and re.fullmatch(r"[0-9][0-9A-Za-z.+-]{0,39}", said) else ""


def too_old(said: str) -> str | None:
    """What is wrong with a release older than the oldest supported one; None for others and unknown ones."""
    if not said or _numbers(said) >= _numbers(OLDEST_SUPPORTED):
        return None
    return f"Label Studio {said} is not supported: upgrade it to {OLDEST_SUPPORTED} or newer"


def _numbers(said: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.match(r"[0-9.]*", said)[0].split(".") if part)  # type: ignore[index]
