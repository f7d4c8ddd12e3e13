"""`<Choices>`: one label or several of a list, or of a tree with `allowNested`.

Of a tree the leaves are the labels. The editor stores a group before its leaves once all of these are selected.
"""

from collections.abc import Sequence
from typing import ClassVar
from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from labelloop.label_config import choice_tree
from labelloop.label_config.choice_tree import Choice
from labelloop.label_config.config_xml import is_true
from labelloop.label_config.control import Control
from labelloop.label_config.controls.base import Options, Path, Value, Writer
from labelloop.label_config.controls.label_list import (
    LabelList,
    can_select_several,
    choice_tags,
    groups_of,
    refuse_choices_from_elsewhere,
)


class Choices(LabelList):
    """`{"choices": ["billing"]}`, nested `{"choices": [["sports", "football"]]}`."""

    tag: ClassVar[str] = "Choices"
    example: ClassVar[str] = '{"choices": ["billing"]}'

    def parse(self, element: Element) -> Options:
        """See ControlType.parse."""
        multiple = can_select_several(element)
        refuse_choices_from_elsewhere(element)
        nested = is_true(element, "allowNested")
        tree = choice_tree.leaves(element) if nested else choice_tree.top_level(element)
        return Options(tree.choices, multiple, nested, tree.groups)

    def writer(self, control: Control, choices: Sequence[Choice]) -> Writer:
        """See ControlType.writer; with the groups that are filled."""
        if control.nested and control.groups:
            return _GroupWriter(control, choices)
        return super().writer(control, choices)

    def to_xml(self, name: str, to_name: str, selections: Sequence[Sequence[Path]]) -> str:
        """See ControlType.to_xml."""
        choices = choice_tags(selections)
        groups = {group for paths in selections for path in paths for group in groups_of(path)}
        several = any(len({*paths} - groups) > 1 for paths in selections)
        kind = "multiple" if several else "single"
        nested = ' allowNested="true"' if groups else ""
        return (
            f'<Choices name={quoteattr(name)} toName={quoteattr(to_name)} choice="{kind}"{nested}>{choices}</Choices>'
        )

    def implied(self, control: Control) -> frozenset[Path]:
        """See ControlType.implied."""
        return frozenset(group.path for group in control.groups)


class _GroupWriter:
    """Writes paths of the selected leaves and of the groups that they fill."""

    def __init__(self, control: Control, choices: Sequence[Choice]) -> None:
        self._key = control.result_type
        self._paths = [choice.path for choice in choices]
        self._sizes: dict[Path, int] = {}
        # A group stands just before its first leaf, an outer one before an inner one.
        self._order: dict[Path, tuple[int, int]] = {}
        for position, choice in enumerate(control.choices):
            self._order[choice.path] = (position, len(choice.path))
            for group in groups_of(choice.path):
                self._sizes[group] = self._sizes.get(group, 0) + 1
                self._order.setdefault(group, (position, len(group)))

    def __call__(self, columns: Sequence[int]) -> Value:
        paths = [self._paths[column] for column in columns]
        counts: dict[Path, int] = {}
        for path in paths:
            for group in groups_of(path):
                counts[group] = counts.get(group, 0) + 1
        full = [group for group, count in counts.items() if count == self._sizes[group]]
        return {self._key: [list(path) for path in sorted([*paths, *full], key=self._order.__getitem__)]}
