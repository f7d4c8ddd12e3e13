"""Labelling configurations as XML: read within limits, attributes as the editor takes them, errors that quote tags."""

from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

MAX_CHARACTERS = 2_000_000
MAX_DEPTH = 100
MAX_ELEMENTS = 50_000


class LabelConfigError(ValueError):
    """The configuration cannot be used; the message names tag or attribute, its value and the remedy."""


class BrokenXmlError(LabelConfigError):
    """It cannot be read as XML, or not safely."""


class EmptyConfigError(LabelConfigError):
    """There is nothing in it: Label Studio's own `<View></View>` of a project that is not configured yet."""


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
            raise BrokenXmlError(
                f"The labelling configuration nests deeper than {MAX_DEPTH} tags or has more than {MAX_ELEMENTS}: "
                "make it smaller."
            )
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def parse_xml(xml: str) -> Element:
    """The root element. Raises LabelConfigError when it is no XML, too large, or has entities."""
    if len(xml) > MAX_CHARACTERS:
        raise BrokenXmlError(
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
        raise BrokenXmlError("The labelling configuration has a DOCTYPE or entities: remove them.") from None
    except UnicodeEncodeError:
        raise BrokenXmlError(
            "The labelling configuration has half of a surrogate pair, which no document can hold: remove it."
        ) from None
    except (ParseError, ValueError) as error:
        if isinstance(error, LabelConfigError):
            raise
        raise BrokenXmlError(f"The labelling configuration is not well-formed XML ({error}): correct it.") from None
    return root


def attribute(element: Element, name: str) -> str:
    """The attribute's value, "" when it is missing; the editor does not mind upper and lower case in its name."""
    found = element.get(name)
    if found is None:
        lower = name.lower()
        found = next((value for key, value in element.attrib.items() if key.lower() == lower), "")
    return found


def is_true(element: Element, name: str) -> bool:
    """Whether a yes-or-no attribute is set."""
    return attribute(element, name).lower() == "true"


def describe_tag(element: Element, *attributes: str) -> str:
    """The tag with those of the attributes that it has, for messages."""
    shown = "".join(f' {name}="{short(value)}"' for name in attributes if (value := attribute(element, name)))
    return f"<{short(element.tag)}{shown}>"


def short(value: str) -> str:
    """At most 80 characters."""
    return value if len(value) <= 80 else value[:79] + "…"
