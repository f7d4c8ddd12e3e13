"""Log lines as JSON, one object a line; what concerns a resource carries its key. No secrets, no texts of tasks."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from aiohttp.http_exceptions import HttpProcessingError

_QUIET = ("kopf", "aiohttp", "asyncio", "kubernetes")


class JsonLines(logging.Formatter):
    """Fixed fields only: what libraries attach to their records may not be serialisable, or nobody's business."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "resource": getattr(record, "resource", None),
            "message": record.getMessage(),
            "trace": self.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else None,
        }
        return json.dumps({name: value for name, value in line.items() if value is not None}, ensure_ascii=False)


def without_trace_of_bad_requests(record: logging.LogRecord) -> bool:
    """A filter for aiohttp's server: no HTTP, or no end of it, is the client's fault, and one line is enough."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | ConnectionError):
        record.msg, record.args, record.exc_info = "bad request: %s", (type(error).__name__,), None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def configure(level: str, stream: TextIO = sys.stdout) -> None:
    """Send every log record of the process to `stream`; libraries speak only from WARNING on unless debugging."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(level if level == "DEBUG" else "WARNING")
    logging.getLogger("aiohttp.server").addFilter(without_trace_of_bad_requests)


def resource_fields(key: tuple[str, str]) -> dict[str, str]:
    """`extra` of a log call about a resource."""
    return {"resource": "/".join(key)}
