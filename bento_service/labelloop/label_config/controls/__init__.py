"""The types of controls. A new one is a module with a ControlType, and its line in TYPES."""

from labelloop.label_config.control import Control
from labelloop.label_config.controls.base import ControlType
from labelloop.label_config.controls.choices import Choices
from labelloop.label_config.controls.regions import OtherControl, RegionLabels
from labelloop.label_config.controls.taxonomy import Taxonomy

TYPES: tuple[ControlType, ...] = (
    Choices(),
    Taxonomy(),
)
"""Types whose results label a whole task: these are learnt, measured and read from exports."""
BY_RESULT_TYPE = {control_type.result_type: control_type for control_type in TYPES}
_REGION_LABELS, _OTHER = RegionLabels(), OtherControl()


def type_of_tag(tag: str) -> ControlType:
    """The type of a tag, or of a type of results: both differ in case only."""
    name = tag.lower()
    return BY_RESULT_TYPE.get(name) or (_REGION_LABELS if name.endswith("labels") else _OTHER)


def type_of(control: Control) -> ControlType:
    """The type of a control, also of one that only custom models answer."""
    return type_of_tag(control.result_type)
