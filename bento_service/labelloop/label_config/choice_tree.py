"""The `<Choice>` tags of a control: which of them annotators can select, and under which names they are stored.

What the editor does with each kind of control was read in its source (tags/control/{Choice,Choices,Taxonomy}.jsx) and
compared with recorded annotations (tests/samples/label-studio/label_configs_and_ui_results.json).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from xml.etree.ElementTree import Element

from labelloop.label_config.config_xml import LabelConfigError, describe_tag, short
from labelloop.text.task_text import TASK_VARIABLE

MAX_CHOICES = 10_000
PATH_SEPARATOR = " / "
"""Between the names of a path where a label is shown or listed: Label Studio's own default."""


@dataclass(frozen=True)
class Choice:
    """One `<Choice>`."""

    value: str
    alias: str | None = None
    hint: str | None = None
    path: tuple[str, ...] = ()
    """Stored names from the topmost choice down to this one; length 1 unless choices are nested."""

    @property
    def stored(self) -> str:
        """The name Label Studio writes into annotations and expects in predictions."""
        return self.alias or self.value

    @cached_property
    def label(self) -> str:
        """What a model calls it, unique within its control: the stored name, of nested choices the whole path."""
        return PATH_SEPARATOR.join(self.path) or self.stored


@dataclass(frozen=True)
class ChoiceTree:
    """What can be selected, in the order of the configuration."""

    choices: tuple[Choice, ...]
    groups: tuple[Choice, ...] = ()
    """Inner choices that are no labels of their own."""


def top_level(element: Element, tag: str = "Choice") -> ChoiceTree:
    """`<Choices>`: the editor neither shows nor stores what stands inside a choice unless nesting is allowed.

    `tag`: `Label` for the controls that label regions.
    """
    choices = [choice for choice, _, inside in _walk(element, (), element, tag=tag) if not inside]
    for choice in choices:
        _refuse_task_variable(choice, element)
    return ChoiceTree(_unique(choices, element, tag))


def leaves(element: Element) -> ChoiceTree:
    """`<Choices allowNested="true">`: leaves are labels; a group counts as selected when all its leaves are."""
    walked = list(_walk(element, (), element))
    for choice, _, _ in walked:
        _refuse_task_variable(choice, element)
    return _split(walked, element)


def nodes(element: Element, leaves_only: bool) -> ChoiceTree:
    """`<Taxonomy>`: every node stands for itself, or only the leaves (`leafsOnly="true"`)."""
    walked = list(_walk(element, (), element, siblings_once=True))
    if leaves_only:
        return _split(walked, element)
    return ChoiceTree(_unique([choice for choice, _, _ in walked], element))


def _walk(
    parent: Element, path: tuple[str, ...], owner: Element, siblings_once: bool = False, tag: str = "Choice"
) -> Iterator[tuple[Choice, bool, bool]]:
    """Each choice, whether it is a leaf, and whether it stands inside another choice."""
    seen: set[str] = set()
    for child in parent:
        if child.tag != tag:
            yield from _walk(
                child, path, owner, siblings_once, tag
            )  # <View> and <Header> may stand between the choices
            continue
        value, alias = child.get("value"), child.get("alias") or None
        if not value:
            raise LabelConfigError(f"{describe_tag(owner, 'name')} has a <{tag}> without value: give it one.")
        if siblings_once and value in seen:
            continue
        seen.add(value)
        choice = Choice(value, alias, child.get("hint") or None, (*path, alias or value))
        inner = list(_walk(child, choice.path, owner, siblings_once, tag))
        yield choice, not inner, bool(path)
        yield from inner


def _split(walked: list[tuple[Choice, bool, bool]], owner: Element) -> ChoiceTree:
    choices = _unique([choice for choice, is_leaf, _ in walked if is_leaf], owner)
    groups = {choice.path: choice for choice, is_leaf, _ in walked if not is_leaf}
    both = next((choice for choice in choices if choice.path in groups), None)
    if both is not None:
        raise LabelConfigError(
            f"{describe_tag(owner, 'name')} uses {short(both.label)} for a choice and for a group of choices: give one "
            "of them another alias."
        )
    return ChoiceTree(choices, tuple(groups.values()))


def _unique(choices: list[Choice], owner: Element, tag: str = "Choice") -> tuple[Choice, ...]:
    """Each path once."""
    by_label: dict[str, Choice] = {}
    for choice in choices:
        if by_label.setdefault(choice.label, choice).path != choice.path:
            raise LabelConfigError(
                f"{describe_tag(owner, 'name')} has two choices that read {short(choice.label)}: give one of them an "
                f"alias without {PATH_SEPARATOR.strip()!r}."
            )
    if not by_label:
        raise LabelConfigError(f"{describe_tag(owner, 'name')} has no <{tag}>: add at least two.")
    if len(by_label) > MAX_CHOICES:
        raise LabelConfigError(
            f"{describe_tag(owner, 'name')} has {len(by_label):,} choices, more than {MAX_CHOICES:,}: remove some."
        )
    return tuple(by_label.values())


def _refuse_task_variable(choice: Choice, owner: Element) -> None:
    if choice.alias is None and TASK_VARIABLE.search(choice.value):
        raise LabelConfigError(
            f'{describe_tag(owner, "name")} has a <Choice value="{short(choice.value)}">, which Label Studio fills '
            "with data of each task: write it without $, or give it an alias."
        )
