"""`<Taxonomy>`: paths of a tree whose inner nodes are labels like its leaves, unless `leafsOnly` is set."""

from collections.abc import Sequence
from typing import ClassVar
from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from labelloop.label_config import choice_tree
from labelloop.label_config.config_xml import LabelConfigError, attribute, describe_tag, is_true
from labelloop.label_config.controls.base import Options, Path
from labelloop.label_config.controls.label_list import LabelList, choice_tags, refuse_choices_from_elsewhere


class Taxonomy(LabelList):
    """`{"taxonomy": [["sports", "football"]]}`."""

    tag: ClassVar[str] = "Taxonomy"
    example: ClassVar[str] = '{"taxonomy": [["sports", "football"]]}'

    def parse(self, element: Element) -> Options:
        """See ControlType.parse."""
        limit = _limit(element)
        refuse_choices_from_elsewhere(element)
        tree = choice_tree.nodes(element, is_true(element, "leafsOnly"))
        return Options(tree.choices, limit != 1, nested=True, groups=tree.groups, limit=None if limit == 1 else limit)

    def to_xml(self, name: str, to_name: str, selections: Sequence[Sequence[Path]]) -> str:
        """See ControlType.to_xml."""
        once = "" if any(len(paths) > 1 for paths in selections) else ' maxUsages="1"'
        return (
            f"<Taxonomy name={quoteattr(name)} toName={quoteattr(to_name)}{once}>{choice_tags(selections)}</Taxonomy>"
        )


def _limit(element: Element) -> int | None:
    """At most how many can be selected; None: any number."""
    written = attribute(element, "maxUsages").strip()
    if not written:
        return None
    if not (written.isascii() and written.isdecimal()) or int(written[:9]) < 1:
        raise LabelConfigError(
            f"{describe_tag(element, 'name', 'maxUsages')}: use a whole number from 1 on, or remove it."
        )
    return int(written[:9])
