"""Labelling configuration XML -> Schema: which controls a model can answer, and with which labels.

A `Scope` tells what a kind of model reads. For the text classifier that is `<Choices>` (single, single-radio, multiple,
nested) and `<Taxonomy>` on a `<Text>`, `<HyperText>` or `<Paragraphs>`. A configuration may hold anything else next to
them; what is left out is reported in `Schema.ignored`, and when nothing is left the configuration is refused with the
reasons (docs/user/labelling-configurations.md lists them).
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from xml.etree.ElementTree import Element

from labelloop.label_config.choice_tree import Choice
from labelloop.label_config.config_xml import (
    BrokenXmlError,
    EmptyConfigError,
    LabelConfigError,
    attribute,
    describe_tag,
    is_true,
    parse_xml,
    short,
)
from labelloop.label_config.control import Control
from labelloop.label_config.controls import TYPES, type_of_tag
from labelloop.text.task_text import TASK_VARIABLE, text_of

__all__ = [
    "TEXT_SCOPE",
    "BrokenXmlError",
    "Choice",
    "Control",
    "EmptyConfigError",
    "LabelConfigError",
    "Schema",
    "Scope",
    "parse_label_config",
    "text_of",
]

OBJECT_TYPES = ("Text", "HyperText", "Paragraphs")
CONTROL_TYPES = tuple(control_type.tag for control_type in TYPES)
"""Tags of the controls that the text classifier answers."""
DATA_KEY = re.compile(r"\$([^\s$\[\]{}]+)")


@dataclass(frozen=True)
class Scope:
    """What of a labelling configuration a kind of model reads: names of tags, and in which form it takes tasks."""

    controls: tuple[str, ...] = CONTROL_TYPES
    objects: tuple[str, ...] = OBJECT_TYPES
    whole_tasks: bool = False
    """The data of a task as it is, and all results of its annotations; else one text for each control."""


TEXT_SCOPE = Scope()
"""Of the text classifier."""


@dataclass(frozen=True)
class Schema:
    """What of a labelling configuration matters to a model."""

    controls: tuple[Control, ...]
    digest: str
    """SHA-256 (hex) of the canonical form: white space, attribute order, hotkeys, colours and layout do not count."""
    ignored: tuple[str, ...] = ()
    """Why other choice-like controls of the configuration are not used, one sentence each."""
    whole_tasks: bool = False
    """As in the Scope it was read with."""

    def __hash__(self) -> int:
        """Of the digest alone: hashing a thousand choices would cost more than predicting a text."""
        return hash(self.digest)

    @property
    def control(self) -> Control:
        """The first control, the one a model with a single output answers."""
        return self.controls[0]


def parse_label_config(xml: str, scope: Scope = TEXT_SCOPE) -> Schema:
    """Read a labelling configuration as `/setup`, `/predict` or the project give it.

    Raises LabelConfigError when it is not XML, is unreasonably large, or has no control that can be answered.
    """
    root = parse_xml(xml)
    objects = {e.attrib["name"]: e for e in root.iter() if e.tag in scope.objects and e.get("name")}
    controls: list[Control] = []
    ignored: list[str] = []
    for element in root.iter():
        if element.tag in scope.controls:
            try:
                controls.append(_control(element, root, objects, scope))
            except LabelConfigError as error:
                ignored.append(str(error))
    if not controls:
        kind = EmptyConfigError if not len(root) else LabelConfigError
        raise kind(_nothing_usable(root, ignored, scope))
    _refuse_duplicate_names(controls)
    return Schema(tuple(controls), _digest(controls, scope), tuple(dict.fromkeys(ignored)), scope.whole_tasks)


def _control(element: Element, root: Element, objects: Mapping[str, Element], scope: Scope) -> Control:
    name = element.get("name", "")
    if not name or "{{" in name:
        raise LabelConfigError(
            f"{describe_tag(element, 'name')} has no fixed name: give it one, outside of <Repeater>."
        )
    if not scope.whole_tasks:
        _refuse_parts(element)
    target = _object(element, root, objects, scope)
    options = type_of_tag(element.tag).parse(element)
    return Control(
        name=name,
        object_name=target.get("name", ""),
        object_type=target.tag,
        data_key=_data_key(target, scope),
        choices=options.choices,
        multiple=options.multiple,
        nested=options.nested,
        groups=options.groups,
        text_key=attribute(target, "textKey") or "text",
        result_type=element.tag.lower(),
        limit=options.limit,
    )


def _refuse_parts(element: Element) -> None:
    for name in ("perRegion", "perItem", "labeling"):
        if is_true(element, name):
            raise LabelConfigError(
                f"{describe_tag(element, 'name', name)} does not classify the whole text: remove {name}."
            )


def _object(element: Element, root: Element, objects: Mapping[str, Element], scope: Scope) -> Element:
    to_name = attribute(element, "toName")
    target = objects.get(to_name)
    if target is not None:
        return target
    other = next((e for e in root.iter() if e.get("name") == to_name and e is not element), None)
    found = "which is not in the configuration" if other is None else f"which is a <{short(other.tag)}>"
    raise LabelConfigError(
        f"{describe_tag(element, 'name', 'toName')}, {found}: it must name one {_alternatives(scope.objects)}."
    )


def _data_key(target: Element, scope: Scope) -> str:
    if target.tag not in OBJECT_TYPES or scope.whole_tasks:
        value = attribute(target, "value") or attribute(target, "valueList")
        named = DATA_KEY.fullmatch(value)
        return value if named is None else named.group(1)
    if attribute(target, "valueType") == "url":
        raise LabelConfigError(
            f"{describe_tag(target, 'name', 'valueType')}: texts behind addresses are not downloaded; put the text "
            "itself into the task and remove valueType."
        )
    if attribute(target, "encoding") not in ("", "none"):
        raise LabelConfigError(
            f"{describe_tag(target, 'name', 'encoding')}: store the text unencoded and remove encoding."
        )
    value = attribute(target, "value")
    match = DATA_KEY.fullmatch(value)
    if match is not None:
        return match.group(1)
    variables = TASK_VARIABLE.findall(value)
    if not variables or target.tag == "Paragraphs" or any(set(variable) & set("[]{}") for variable in variables):
        raise LabelConfigError(
            f'{describe_tag(target, "name", "value")} does not name a key of the task data: write it as value="$text".'
        )
    return value


def _refuse_duplicate_names(controls: list[Control]) -> None:
    seen: set[str] = set()
    for control in controls:
        if control.name in seen:
            raise LabelConfigError(f'Two controls have name="{short(control.name)}": rename one of them.')
        seen.add(control.name)


def _digest(controls: list[Control], scope: Scope) -> str:
    described: list[object] = [asdict(control) for control in controls]
    canonical = json.dumps(
        [*described, *(["whole tasks"] if scope.whole_tasks else [])], sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _nothing_usable(root: Element, reasons: list[str], scope: Scope) -> str:
    wanted = _alternatives(scope.controls)
    if reasons:
        first = " ".join(list(dict.fromkeys(reasons))[:5])
        return f"No {wanted} of the labelling configuration can be used. {first}"
    named = [describe_tag(element, "name") for element in root.iter() if element.get("name")]
    found = ", ".join(named[:5]) or f"<{short(root.tag)}> without named tags"
    return (
        f"The labelling configuration has no {wanted} (found: {found}): add one whose toName is a "
        f"{_alternatives(scope.objects)}."
    )


def _alternatives(tags: Sequence[str]) -> str:
    """`<Text>, <HyperText> or <Paragraphs>`."""
    *others, last = (f"<{tag}>" for tag in tags)
    return f"{', '.join(others)} or {last}" if others else last
