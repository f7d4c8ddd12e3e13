"""Which custom model, and what it may take: settings from the environment. Imports nothing of the model's."""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from labelloop.environment import Environment, SettingsError

CLASS_VARIABLE = "LABELLOOP_MODEL_CLASS"
DEFAULT_CLASS = "text-classifier"
REMEDY = "name it as module:Class, with a subclass of labelloop.models.Model in a module that Python finds"
SERVER_MEGABYTES = 256
"""Of a container's memory, left to the server."""
_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class CustomModelSettings:
    """Which class, and what it may take."""

    class_name: str
    """`module:Class`."""
    predict_seconds: float = 60.0
    """For the tasks that are predicted at a time."""
    load_seconds: float = 120.0
    memory_megabytes: int = 0
    """0: no limit."""
    processes: int = 1

    @classmethod
    def from_environment(cls, environment: Environment, processes: int) -> "CustomModelSettings | None":
        """None: the text classifier. Raises SettingsError."""
        name = class_name(environment)
        if name is None:
            return None
        return cls(
            name,
            environment.number("LABELLOOP_PREDICT_SECONDS", cls.predict_seconds, minimum=0.1, maximum=90),
            environment.number("LABELLOOP_LOAD_SECONDS", cls.load_seconds, minimum=1, maximum=3600),
            environment.integer("LABELLOOP_MODEL_MEMORY_MB", default_memory(), minimum=0),
            processes,
        )


def class_name(environment: Environment) -> str | None:
    """`module:Class` of LABELLOOP_MODEL_CLASS; None for the text classifier. Raises SettingsError."""
    name = environment.optional(CLASS_VARIABLE)
    if name is None or name == DEFAULT_CLASS:
        return None
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{CLASS_VARIABLE} is {name!r:.200}: {REMEDY}, or as {DEFAULT_CLASS}")
    return name


def default_memory() -> int:
    """Megabytes: what the container has beyond the server's part; else four fifths of the machine's."""
    with contextlib.suppress(OSError, ValueError):
        return max(int(_CGROUP_LIMIT.read_text()) // 2**20 - SERVER_MEGABYTES, SERVER_MEGABYTES)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 4 // 5
