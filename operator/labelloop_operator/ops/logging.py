"""Log lines as JSON, one object a line; what concerns a resource carries its key. No secrets, no texts of tasks."""

import logging
import sys
from typing import TextIO

from pythonjsonlogger.json import JsonFormatter

_FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s"
_RENAMED = {"asctime": "time", "levelname": "level", "name": "logger"}
_QUIET = ("kopf", "aiohttp.access", "asyncio", "kubernetes")


def configure(level: str, stream: TextIO = sys.stdout) -> None:
    """Send every log record of the process to `stream`; libraries speak only from WARNING on unless debugging."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(_FIELDS, rename_fields=_RENAMED, datefmt="%Y-%m-%dT%H:%M:%S%z"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(level if level == "DEBUG" else "WARNING")


def resource_fields(key: tuple[str, str]) -> dict[str, str]:
    """`extra` of a log call about a resource."""
    return {"resource": "/".join(key)}
