"""Labelling configuration XML -> Schema: which controls a text classifier can answer, and with which labels.

Supported are `<Choices>` (single, single-radio, multiple, nested) on a `<Text>`, `<HyperText>` or `<Paragraphs>`. A
configuration may hold anything else beside them; what is left out is told in `Schema.ignored`, and when nothing is
left the configuration is refused with the reasons. Rules of the format: the tag reference of Label Studio and what the
editor really stores (tests/samples/label-studio/label_configs_and_ui_results.json).
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from labelloop.task_text import text_of

__all__ = ["Choice", "Control", "LabelConfigError", "Schema", "parse_label_config", "text_of"]

MAX_CHARACTERS = 2_000_000
MAX_DEPTH = 100
MAX_ELEMENTS = 50_000
OBJECT_TYPES = ("Text", "HyperText", "Paragraphs")
SINGLE, MULTIPLE = ("single", "single-radio"), "multiple"
DATA_KEY = re.compile(r"\$([^\s$\[\]{}]+)")


class LabelConfigError(ValueError):
    """The configuration cannot be used; the message names tag or attribute, its value and the remedy."""


@dataclass(frozen=True)
class Choice:
    """One `<Choice>` that can be selected."""

    value: str
    alias: str | None = None
    hint: str | None = None
    path: tuple[str, ...] = ()
    """Stored names from the topmost choice down to this one; length 1 unless choices are nested."""

    @property
    def stored(self) -> str:
        """The name Label Studio writes into annotations and expects in predictions."""
        return self.alias or self.value


@dataclass(frozen=True)
class Control:
    """One `<Choices>` and the text it is about."""

    name: str
    object_name: str
    object_type: str
    data_key: str
    choices: tuple[Choice, ...]
    multiple: bool
    nested: bool = False
    """Results are lists of paths (`[["sports", "football"]]`) instead of names: `allowNested="true"`."""
    groups: tuple[str, ...] = ()
    """Stored names of the inner choices of a nested control: never labels of their own."""
    text_key: str = "text"
    """Paragraphs only: the key of a paragraph that holds its text."""

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Stored names in the order of the configuration, each once."""
        return tuple(choice.stored for choice in self.choices)


@dataclass(frozen=True)
class Schema:
    """What of a labelling configuration matters to a model."""

    controls: tuple[Control, ...]
    digest: str
    """SHA-256 (hex) of the canonical form: white space, attribute order, hotkeys, colours and layout do not count."""
    ignored: tuple[str, ...] = ()
    """Why other choice-like controls of the configuration are not used, one sentence each."""

    @property
    def control(self) -> Control:
        """The first control, the one a model with a single output answers."""
        return self.controls[0]


def parse_label_config(xml: str) -> Schema:
    """Read a labelling configuration as `/setup`, `/predict` or the project give it.

    Raises LabelConfigError when it is not XML, is unreasonably large, or has no control that can be answered.
    """
    root = _parse_xml(xml)
    objects = {element.get("name", ""): element for element in root.iter() if element.tag in OBJECT_TYPES}
    controls: list[Control] = []
    ignored: list[str] = []
    for element in root.iter():
        if element.tag in ("Choices", "Taxonomy"):
            try:
                controls.append(_control(element, root, objects))
            except LabelConfigError as error:
                ignored.append(str(error))
    if not controls:
        raise LabelConfigError(_nothing_usable(root, ignored))
    _refuse_duplicate_names(controls)
    return Schema(tuple(controls), _digest(controls), tuple(dict.fromkeys(ignored)))


class _BoundedBuilder(TreeBuilder):
    """Stops at limits while reading, before a hostile document has cost its memory."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._elements = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise LabelConfigError(
                f"The labelling configuration nests deeper than {MAX_DEPTH} tags or has more than {MAX_ELEMENTS}: "
                "make it smaller."
            )
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def _parse_xml(xml: str) -> Element:
    if len(xml) > MAX_CHARACTERS:
        raise LabelConfigError(
            f"The labelling configuration has {len(xml):,} characters, more than {MAX_CHARACTERS:,}: make it smaller."
        )
    if not xml.strip():
        raise LabelConfigError(
            'The labelling configuration is empty: set one with a <Text name="text" value="$text"/> and a <Choices>.'
        )
    parser = DefusedXMLParser(target=_BoundedBuilder(), forbid_dtd=True)
    try:
        parser.feed(xml)
        root: Element = parser.close()
    except DefusedXmlException:
        raise LabelConfigError("The labelling configuration has a DOCTYPE or entities: remove them.") from None
    except (ParseError, ValueError) as error:
        if isinstance(error, LabelConfigError):
            raise
        raise LabelConfigError(f"The labelling configuration is not well-formed XML ({error}): correct it.") from None
    return root


def _control(element: Element, root: Element, objects: Mapping[str, Element]) -> Control:
    if element.tag == "Taxonomy":
        raise LabelConfigError(f"{_told(element, 'name')} is not supported: use <Choices> (nested ones are read).")
    name = element.get("name", "")
    if not name or "{{" in name:
        raise LabelConfigError(f"{_told(element, 'name')} has no fixed name: give it one, outside of <Repeater>.")
    for attribute in ("perRegion", "perItem"):
        if _is_true(element, attribute):
            raise LabelConfigError(
                f"{_told(element, 'name', attribute)} does not classify the whole text: remove {attribute}."
            )
    if element.get("value"):
        raise LabelConfigError(
            f"{_told(element, 'name', 'value')} takes its choices from each task: list them as <Choice> tags."
        )
    kind = element.get("choice", "single")
    if kind not in (*SINGLE, MULTIPLE):
        raise LabelConfigError(f"{_told(element, 'name', 'choice')}: use single, single-radio or multiple.")
    target = _text_object(element, root, objects)
    choices, groups = _choices(element)
    return Control(
        name=name,
        object_name=target.get("name", ""),
        object_type=target.tag,
        data_key=_data_key(target),
        choices=choices,
        multiple=kind == MULTIPLE,
        nested=_is_true(element, "allowNested"),
        groups=groups,
        text_key=target.get("textKey") or target.get("textkey") or "text",
    )


def _text_object(element: Element, root: Element, objects: Mapping[str, Element]) -> Element:
    target = objects.get(element.get("toName", ""))
    if target is not None:
        return target
    other = next((e for e in root.iter() if e.get("name") == element.get("toName", "") and e is not element), None)
    found = "which is not in the configuration" if other is None else f"which is a <{other.tag}>"
    raise LabelConfigError(
        f"{_told(element, 'name', 'toName')}, {found}: it must name one <Text>, <HyperText> or <Paragraphs>."
    )


def _data_key(target: Element) -> str:
    if target.get("valueType") == "url":
        raise LabelConfigError(
            f"{_told(target, 'name', 'valueType')}: texts behind addresses are not downloaded; put the text itself "
            "into the task and remove valueType."
        )
    if target.get("encoding", "none") != "none":
        raise LabelConfigError(f"{_told(target, 'name', 'encoding')}: store the text unencoded and remove encoding.")
    match = DATA_KEY.fullmatch(target.get("value", ""))
    if match is None:
        raise LabelConfigError(
            f'{_told(target, "name", "value")} does not name a key of the task data: write it as value="$text".'
        )
    return match.group(1)


def _choices(element: Element) -> tuple[tuple[Choice, ...], tuple[str, ...]]:
    """Leaves are the labels; inner choices only group them."""
    leaves: dict[str, Choice] = {}
    groups: dict[str, None] = {}
    for choice, is_leaf in _walk_choices(element, (), _told(element, "name")):
        if not is_leaf:
            groups[choice.stored] = None
        elif leaves.setdefault(choice.stored, choice).path != choice.path:
            raise LabelConfigError(
                f"{_told(element, 'name')} has the nested choice {_short(choice.stored)} at two places: give one of "
                "them another alias."
            )
    both = next((name for name in groups if name in leaves), None)
    if both is not None:
        raise LabelConfigError(
            f"{_told(element, 'name')} uses {_short(both)} for a choice and for a group of choices: give one of them "
            "another alias."
        )
    if not leaves:
        raise LabelConfigError(f"{_told(element, 'name')} has no <Choice>: add at least two.")
    return tuple(leaves.values()), tuple(groups)


def _walk_choices(parent: Element, path: tuple[str, ...], owner: str) -> Iterator[tuple[Choice, bool]]:
    for child in parent:
        if child.tag != "Choice":
            yield from _walk_choices(child, path, owner)  # <View> and <Header> may stand between the choices
            continue
        value, alias = child.get("value"), child.get("alias") or None
        stored = alias or value
        if not value or not stored:
            raise LabelConfigError(f"{owner} has a <Choice> without value: give it one.")
        choice = Choice(value, alias, child.get("hint") or None, (*path, stored))
        inner = list(_walk_choices(child, choice.path, owner))
        yield choice, not inner
        yield from inner


def _refuse_duplicate_names(controls: list[Control]) -> None:
    seen: set[str] = set()
    for control in controls:
        if control.name in seen:
            raise LabelConfigError(f'Two <Choices> have name="{_short(control.name)}": rename one of them.')
        seen.add(control.name)


def _digest(controls: list[Control]) -> str:
    canonical = json.dumps([asdict(control) for control in controls], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _nothing_usable(root: Element, reasons: list[str]) -> str:
    if reasons:
        return "No <Choices> of the labelling configuration can be used. " + " ".join(list(dict.fromkeys(reasons))[:5])
    named = [_told(element, "name") for element in root.iter() if element.get("name")]
    found = ", ".join(named[:5]) or f"<{_short(root.tag)}> without named tags"
    return (
        f"The labelling configuration has no <Choices> (found: {found}): add one whose toName is a <Text>, "
        "<HyperText> or <Paragraphs>."
    )


def _told(element: Element, *attributes: str) -> str:
    told = "".join(f' {name}="{_short(element.attrib[name])}"' for name in attributes if name in element.attrib)
    return f"<{_short(element.tag)}{told}>"


def _short(value: str) -> str:
    return value if len(value) <= 80 else value[:79] + "…"


def _is_true(element: Element, attribute: str) -> bool:
    return element.get(attribute, "").lower() == "true"
