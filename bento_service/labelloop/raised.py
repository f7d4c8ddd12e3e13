"""Where an exception came from, for people: without its message, which may quote a task's text."""

import traceback
from pathlib import Path


def where(error: BaseException) -> str:
    """File and line that raised it. The exception has been raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def places(error: BaseException) -> tuple[str, ...]:
    """All lines it came through, the one that raised it last."""
    return tuple(
        f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
    )
