"""Notice projects whose tasks hold addresses in the place of texts: one line in the log, and a note on the page."""

import logging
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from labelloop.label_config.schema import Schema
from labelloop.text.task_text import looks_like_address

MOST_LOOKED_AT = 50
"""Tasks of a request; a project's texts are of one kind as a rule."""

ADDRESSES = (
    "The texts look like addresses: Label Studio must store the text itself, or use a custom model. Label Studio's "
    "references to files get no prediction; other addresses are classified as they are written."
)

log = logging.getLogger(__name__)


class AddressWatch:
    """Of one worker."""

    def __init__(self) -> None:
        self.found: set[int | None] = set()
        """Projects, None for requests that name none."""

    def look(self, key: object, tasks: Sequence[object], schema: Schema) -> None:
        """Look at the tasks of a request; `key` names the project, as in `7.1795325720`."""
        digits = str(key).partition(".")[0]
        project = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None
        if project in self.found:
            return
        keys = {control.data_key for control in schema.controls}
        values = (task["data"].get(key) for task in tasks[:MOST_LOOKED_AT] if _has_data(task) for key in keys)
        if any(isinstance(value, str) and looks_like_address(value) for value in values):
            self.found.add(project)
            name = "A project" if project is None else f"Project {project}"
            log.warning("%s: %s", name, ADDRESSES)


def _has_data(task: object) -> TypeGuard[Mapping[str, Mapping[str, object]]]:
    return isinstance(task, Mapping) and isinstance(task.get("data"), Mapping)
