"""Labelling configurations that nobody expects: mutations of the recorded ones as trees and as text."""

import json
from functools import cache
from pathlib import Path
from random import Random
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from tests.fuzz.odd_json import odd_text

SAMPLES = Path(__file__).parents[1] / "samples" / "label-studio"
TAGS = (
    "View", "Text", "HyperText", "Paragraphs", "Choices", "Choice", "Taxonomy", "Labels", "Label", "Header", "Image",
    "Repeater", "Style", "Rating", "TextArea", "choices", "x:y",
)  # fmt: skip
ATTRIBUTES = (
    "name", "toName", "value", "choice", "alias", "hint", "allowNested", "perRegion", "perItem", "valueType",
    "encoding",    "textKey", "textkey", "indexFlag", "on", "nameKey", "selected", "visibleWhen", "leafsOnly", "apiUrl",
)  # fmt: skip
VALUES = (
    "text", "label", "$text", "$a.b", "$", "$text[0]", "$$text", "{{x}}", "single", "multiple", "single-radio", "true",
    "TRUE", "false", "url", "base64", "none", "positive", "negative", "", " ",
)  # fmt: skip
PIECES = (
    "<", ">", "&", "&lt;", "&#0;", "&#x10FFFF;", "&nbsp;", "&a;", "<![CDATA[x]]>", "<!-- x -->", "<?x y?>", "\0",
    "\ud800", '<?xml version="1.0" encoding="utf-16"?>',
    "<!DOCTYPE a>", '<!DOCTYPE a [<!ENTITY b "c">]>', "</View>", "<View>",
    '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>', "\ufeff", "'", '"', "]]>",
)  # fmt: skip


@cache
def label_configs() -> tuple[str, ...]:
    """The configurations in the recorded samples, and two of the kinds they lack."""
    found: set[str] = set()

    def look(value: object) -> None:
        if isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                look(item)
        elif isinstance(value, str) and value.lstrip().startswith("<View"):
            found.add(value)

    for path in sorted(SAMPLES.glob("*.json")):
        look(json.loads(path.read_text()))
    tree = '<Choice value="a"><Choice value="b" alias="c"/><Choice value="d"/></Choice>'
    found.add(
        f'<View><HyperText name="t" value="$h"/><Choices name="n" toName="t" allowNested="true">{tree}</Choices></View>'
    )
    found.add(
        f'<View><Paragraphs name="t" value="$p" textKey="x"/><Taxonomy name="n" toName="t">{tree}</Taxonomy></View>'
    )
    return tuple(sorted(found))


def odd_label_config(random: Random) -> str:
    """A mutated configuration: as a tree, as text, or both."""
    text = random.choice(label_configs())
    if random.random() < 0.7:
        text = _mutated_tree(text, random)
    if random.random() < 0.4:
        text = _mutated_text(text, random)
    return text


def _mutated_tree(text: str, random: Random) -> str:
    root = ElementTree.fromstring(text)
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        elements = list(root.iter())
        element = random.choice(elements)
        kind = random.randrange(7)
        if kind == 0:
            element.tag = random.choice(TAGS)
        elif kind == 1 and element.attrib:
            element.attrib.pop(random.choice(list(element.attrib)))
        elif kind in (2, 3):
            element.set(random.choice(ATTRIBUTES), random.choice((random.choice(VALUES), odd_text(random))))
        elif kind == 4:
            element.append(ElementTree.Element(random.choice(TAGS), {random.choice(ATTRIBUTES): random.choice(VALUES)}))
        elif kind == 5 and len(element):
            element.remove(random.choice(list(element)))
        elif kind == 6 and len(elements) < 300:
            element.append(_copy(random.choice(elements)))
    return _written(root)


def _copy(element: ElementTree.Element) -> ElementTree.Element:
    made = ElementTree.Element(element.tag, dict(element.attrib))
    made.extend(_copy(child) for child in list(element))
    return made


def _written(element: ElementTree.Element) -> str:
    """ElementTree refuses what a hostile configuration may hold."""
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in element.attrib.items())
    inner = "".join(_written(child) for child in element)
    return f"<{element.tag}{attributes}>{inner}</{element.tag}>" if inner else f"<{element.tag}{attributes}/>"


def _mutated_text(text: str, random: Random) -> str:
    at = random.randrange(len(text) + 1)
    kind = random.randrange(6)
    if kind == 0:
        return text[:at]
    if kind == 1:
        return text[:at] + random.choice(PIECES) + text[at:]
    if kind == 2:
        end = min(len(text), at + random.randrange(30))
        return text[:at] + text[end:]
    if kind == 3:
        depth = random.choice((50, 150, 5000))
        return "<View>" * depth + text + "</View>" * random.choice((depth, 0))
    if kind == 4:
        return text.replace("<Choice ", "<Choice x='1'/>" * random.choice((1, 100)) + "<Choice ")
    return text[:at] + odd_text(random) + text[at:]
