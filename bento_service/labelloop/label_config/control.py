"""A control of a labelling configuration, whatever its type."""

from dataclasses import dataclass
from functools import cached_property

from labelloop.label_config.choice_tree import Choice


@dataclass(frozen=True)
class Control:
    """One `<Choices>`, `<Taxonomy>` or other control that a model answers, and the object it is about.

    The digest of a configuration covers all fields: what only its type knows belongs into `controls`.
    """

    name: str
    object_name: str
    object_type: str
    data_key: str
    """Key of the task data, or a text with several of them (`$title: $body`)."""
    choices: tuple[Choice, ...]
    multiple: bool
    nested: bool = False
    """Results are lists of paths (`[["sports", "football"]]`) instead of names."""
    groups: tuple[Choice, ...] = ()
    """Inner choices that are no labels of their own."""
    text_key: str = "text"
    """Paragraphs only: the key of a paragraph that holds its text."""
    result_type: str = "choices"
    """Type of the results and key of their labels: the tag in lower case (`choices`, `rectanglelabels`)."""
    limit: int | None = None
    """Multiple choice: how many can be selected at most."""

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """`Choice.label` of all choices in the order of the configuration, each once."""
        return tuple(choice.label for choice in self.choices)
