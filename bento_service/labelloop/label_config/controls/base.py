"""The interface between the types of controls and everything that reads, learns, predicts and checks their labels."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from xml.etree.ElementTree import Element

from labelloop.label_config.choice_tree import Choice
from labelloop.label_config.config_xml import LabelConfigError, short
from labelloop.label_config.control import Control

Path = tuple[str, ...]
"""Stored names from the topmost choice to the selected one; one name unless choices are nested."""
Value = Mapping[str, Any]
"""`value` of a result."""
Writer = Callable[[Sequence[int]], Value]
"""Makes the value of a result from the columns of the selected choices, of which there is at least one."""


@dataclass(frozen=True)
class Options:
    """What annotators can select; the fields are those of Control."""

    choices: tuple[Choice, ...] = ()
    multiple: bool = False
    nested: bool = False
    groups: tuple[Choice, ...] = ()
    limit: int | None = None


class ControlType(ABC):
    """What is particular to one tag. Stateless: one instance serves all controls of the type."""

    tag: ClassVar[str] = ""
    example: ClassVar[str] = ""
    """A value as JSON, for messages."""
    remedy: ClassVar[str] = ""
    """What to write in the place of a value that cannot be read, for messages."""

    @property
    def result_type(self) -> str:
        """Type of its results and key of what is selected in their values."""
        return self.tag.lower()

    @abstractmethod
    def parse(self, element: Element) -> Options:
        """Read the tag of a configuration. Raises LabelConfigError when it cannot be used."""

    @abstractmethod
    def read(self, value: Value) -> list[Path] | None:
        """What is selected in the value of a result; None when it is of another form."""

    @abstractmethod
    def writer(self, control: Control, choices: Sequence[Choice]) -> Writer:
        """Values as the editor stores them. `choices`: those of `control` that stand for the columns, each once."""

    @abstractmethod
    def fault(self, control: Control, value: Value) -> str | None:
        """What is wrong with the value of a prediction, completing "the model ..."; None: nothing."""

    def implied(self, control: Control) -> frozenset[Path]:  # noqa: ARG002
        """Groups that the editor stores together with their choices; they mean nothing more than these."""
        return frozenset()

    def to_xml(self, name: str, to_name: str, selections: Sequence[Sequence[Path]]) -> str:  # noqa: ARG002
        """A tag in which everything that was selected can be selected. Raises LabelConfigError."""
        raise LabelConfigError(f"The configuration of {short(name)} cannot be derived from its results: write it.")
