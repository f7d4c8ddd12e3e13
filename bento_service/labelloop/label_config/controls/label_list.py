"""Controls whose results hold a list of labels: stored names, or paths where choices are nested."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar
from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from labelloop.label_config.choice_tree import Choice
from labelloop.label_config.config_xml import MAX_DEPTH, LabelConfigError, attribute, describe_tag, short
from labelloop.label_config.control import Control
from labelloop.label_config.controls.base import ControlType, Path, Value, Writer
from labelloop.text.task_text import encodable

SINGLE, MULTIPLE = ("single", "single-radio"), "multiple"

Tree = dict[str, "Tree"]


class LabelList(ControlType):
    """The list stands under the type of the result: `{"choices": ["billing"]}`."""

    remedy: ClassVar[str] = "give a list of label names"

    def read(self, value: Value) -> list[Path] | None:
        """See ControlType.read."""
        selected = value.get(self.result_type)
        if not isinstance(selected, list):
            return None
        paths = [tuple(label) if isinstance(label, list) else (label,) for label in selected]
        if not all(path and all(isinstance(name, str) for name in path) for path in paths):
            return None
        return [tuple(map(encodable, path)) for path in paths]

    def writer(self, control: Control, choices: Sequence[Choice]) -> Writer:
        """See ControlType.writer; in the order of the configuration."""
        key = control.result_type
        names = [list(choice.path) if control.nested else choice.stored for choice in choices]
        alone = [{key: [name]} for name in names]
        positions = {label: position for position, label in enumerate(control.labels)}
        order = [positions[choice.label] for choice in choices]

        def write(columns: Sequence[int]) -> Value:
            if len(columns) == 1:
                return alone[columns[0]]
            return {key: [names[column] for column in sorted(columns, key=order.__getitem__)]}

        return write

    def fault(self, control: Control, value: Value) -> str | None:
        """See ControlType.fault."""
        labels = value.get(control.result_type)
        if not isinstance(labels, list) or not labels:
            return f"gives a result for {control.name!r} without labels"
        if control.nested:
            known = {choice.path for choice in control.choices} | self.implied(control)
            paths = [tuple(label) if isinstance(label, list) else (label,) for label in labels]
            unknown = next((path for path in paths if path not in known), None)
        else:
            stored = {choice.stored for choice in control.choices}
            unknown = next((label for label in labels if not isinstance(label, str) or label not in stored), None)
        return None if unknown is None else f"gives the label {unknown!r:.80}, which {control.name!r} does not have"


def can_select_several(element: Element) -> bool:
    """The attribute `choice`. Raises LabelConfigError."""
    kind = attribute(element, "choice") or "single"
    if kind not in (*SINGLE, MULTIPLE):
        raise LabelConfigError(f"{describe_tag(element, 'name', 'choice')}: use single, single-radio or multiple.")
    return kind == MULTIPLE


def refuse_choices_from_elsewhere(element: Element) -> None:
    """Raises LabelConfigError when the choices do not stand in the configuration."""
    for name, source in (("value", "each task"), ("apiUrl", "another server")):
        if attribute(element, name):
            raise LabelConfigError(
                f"{describe_tag(element, 'name', name)} takes its choices from {source}: list them as <Choice> tags."
            )


def groups_of(path: Path) -> Iterable[Path]:
    """Paths of the groups around a choice, the outermost first."""
    return (path[:length] for length in range(1, len(path)))


def choice_tags(selections: Iterable[Sequence[Path]]) -> str:
    """`<Choice>` tags for all paths, sorted. Raises LabelConfigError when they nest too deep."""
    tree: Tree = {}
    for path in sorted({path for selection in selections for path in selection}):
        if len(path) > MAX_DEPTH:
            raise LabelConfigError(f"The label {short(path[-1])} nests deeper than {MAX_DEPTH} choices: shorten it.")
        inner = tree
        for name in path:
            inner = inner.setdefault(name, {})
    return _tags(tree)


def _tags(tree: Mapping[str, Tree]) -> str:
    return "".join(
        f"<Choice value={quoteattr(name)}>{_tags(inner)}</Choice>" if inner else f"<Choice value={quoteattr(name)}/>"
        for name, inner in tree.items()
    )
