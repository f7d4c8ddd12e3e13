"""Labelling configurations: XML in, the controls and labels that a model can learn out."""

from labelloop.label_config.choice_tree import Choice
from labelloop.label_config.config_xml import BrokenXmlError, EmptyConfigError, LabelConfigError
from labelloop.label_config.control import Control
from labelloop.label_config.schema import TEXT_SCOPE, Schema, Scope, parse_label_config, text_of

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
