"""Controls that only custom models answer: labels of regions, and whatever has no labels."""

from xml.etree.ElementTree import Element

from labelloop.label_config import choice_tree
from labelloop.label_config.config_xml import is_true
from labelloop.label_config.control import Control
from labelloop.label_config.controls.base import Options, Path, Value
from labelloop.label_config.controls.label_list import LabelList, can_select_several, refuse_choices_from_elsewhere


class RegionLabels(LabelList):
    """`<RectangleLabels>`, `<Labels>` and the like: `{"x": 1, ..., "rectanglelabels": ["car"]}`."""

    def parse(self, element: Element) -> Options:
        """See ControlType.parse."""
        multiple = can_select_several(element)
        refuse_choices_from_elsewhere(element)
        choices = choice_tree.top_level(element, "Label").choices
        return Options(choices, multiple, is_true(element, "allowNested"))

    def read(self, value: Value) -> list[Path] | None:  # noqa: ARG002
        """See ControlType.read: nothing is said about the whole task."""
        return None


class OtherControl(RegionLabels):
    """`<TextArea>`, `<Rectangle>` and the like: nothing to choose from."""

    def parse(self, element: Element) -> Options:
        """See ControlType.parse."""
        return Options((), can_select_several(element), is_true(element, "allowNested"))

    def fault(self, control: Control, value: Value) -> str | None:  # noqa: ARG002
        """See ControlType.fault: any value will do."""
        return None
