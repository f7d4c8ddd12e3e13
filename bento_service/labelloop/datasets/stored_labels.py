"""What annotators selected -> labels of the present labelling configuration, which may have changed since."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from labelloop.label_config.controls import type_of
from labelloop.label_config.controls.base import Path
from labelloop.label_config.schema import Choice, Control

Reading = Literal["used", "empty", "foreign", "removed_labels"]


class LabelReader:
    """Reads the results of one control; remembers the removed labels it met.

    Known are the stored names, and what a choice was stored as before it got an alias. A list of choices that was
    made a tree later (or a tree made a list) is followed by the last name of a path, where only one choice has it.
    """

    def __init__(self, control: Control) -> None:
        self.control = control
        self.removed: set[str] = set()
        self._position = {label: position for position, label in enumerate(control.labels)}
        self._implied = type_of(control).implied(control)
        self._labels = {(choice.path or (choice.stored,)): choice.label for choice in control.choices}
        self._stored_names = _stored_names((*control.groups, *control.choices))
        self._by_last_name = _by_last_name(control)

    def read(self, paths: Sequence[Path]) -> tuple[tuple[str, ...], Reading]:
        """Labels, in the order of the configuration; without any, why."""
        known: set[str] = set()
        unknown = False
        for path in paths:
            stored = self._as_stored(path)
            if stored in self._implied:
                continue
            label = self._label(path, stored)
            if label is None:
                self.removed.add(path[-1])
                unknown = True
            else:
                known.add(label)
        if len(known) > 1 and not self.control.multiple:
            return (), "foreign"
        if not known:
            return (), "removed_labels" if unknown else "empty"
        return (tuple(known) if len(known) == 1 else tuple(sorted(known, key=self._position.__getitem__))), "used"

    def _as_stored(self, path: Path) -> Path:
        """The path with names from before they had an alias replaced."""
        if path in self._labels:
            return path
        stored: Path = ()
        for name in path:
            stored = (*stored, self._stored_names.get(stored, {}).get(name, name))
        return stored

    def _label(self, path: Path, stored: Path) -> str | None:
        label = self._labels.get(stored)
        if label is None and (len(path) == 1 or not self.control.nested):
            label = self._by_last_name.get(path[-1])
        return label


def _stored_names(choices: Sequence[Choice]) -> dict[Path, dict[str, str]]:
    """For each group's path: value or stored name of what is in it -> stored name."""
    names: dict[Path, dict[str, str]] = {}
    for choice in choices:
        names.setdefault(choice.path[:-1], {})[choice.value] = choice.stored
    for choice in choices:
        names[choice.path[:-1]][choice.stored] = choice.stored
    return names


def _by_last_name(control: Control) -> dict[str, str]:
    """Stored names and values that only one choice has -> its label; stored names come first."""
    found: dict[str, str] = {}
    for names in ([choice.value for choice in control.choices], [choice.stored for choice in control.choices]):
        times = Counter(names)
        found.update(
            (name, choice.label) for name, choice in zip(names, control.choices, strict=True) if times[name] == 1
        )
    return found
