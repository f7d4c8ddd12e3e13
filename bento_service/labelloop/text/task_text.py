"""The text of a task, as annotators read it: what a model learns from and answers."""

import html
import math
import re
from collections.abc import Mapping
from typing import Protocol

MAX_PARAGRAPHS = 100_000
TASK_VARIABLE = re.compile(r"\$[\w\[\]{}]+(?:\.[\w\[\]{}]+)*", re.ASCII)
"""What the editor replaces by task data inside a `value`; a full stop after it ends the sentence."""

# Linear in the input. A real HTML parser is not needed to drop markup, and html.parser takes quadratic time on
# unclosed declarations, which a single task could use to stop the service.
INVISIBLE = re.compile(r"<(script|style|head|template)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
INLINE_TAG = re.compile(r"</?(?:a|abbr|b|code|del|em|font|i|ins|kbd|mark|s|small|span|strong|sub|sup|u)\b[^<>]*>", re.I)
TAG = re.compile(r"</?[a-zA-Z!?][^<>]*>")

LONGEST_ADDRESS = 2_048
FILE_REFERENCE = re.compile(
    r"(?:/data/(?:local-files/?\?d=|upload/)|/storage-data/|/(?:tasks|projects)/\d+/(?:presign|resolve)/"
    r"|(?:s3|gs|azure-blob|azure-spi|hdfs|file)://)\S+",
    re.IGNORECASE,
)
"""How Label Studio and its storages name a file, in the place of what is in it."""
WEB_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)


class TextSource(Protocol):
    """Where a control finds its text: the part of `label_config.Control` needed here."""

    @property
    def object_type(self) -> str:
        """Text, HyperText or Paragraphs."""

    @property
    def data_key(self) -> str:
        """Key of the task data without `$` (dots lead into nested objects), or a text with keys in it, with `$`."""

    @property
    def text_key(self) -> str:
        """Paragraphs: key of the text of one paragraph."""


def text_of(data: Mapping[str, object], control: TextSource) -> str | None:
    """The text that `control` is about, or None when the task has none (missing, null, not text).

    Numbers are written out, HTML is stripped for HyperText, the texts of Paragraphs are joined by line breaks (names
    of speakers are left out). The result can always be encoded as UTF-8.
    """
    value = _look_up(data, control.data_key)
    if value is None and "$" in control.data_key:
        value = _filled(control.data_key, data)
    if control.object_type == "Paragraphs" and isinstance(value, list):
        parts = (part.get(control.text_key) if isinstance(part, dict) else part for part in value[:MAX_PARAGRAPHS])
        texts = [text for text in map(_as_text, parts) if text is not None]
        return "\n".join(texts) if texts else None
    text = _as_text(value)
    if text is not None and control.object_type == "HyperText":
        return strip_html(text)
    return text


def is_file_reference(text: str) -> bool:
    """Whether a text is nothing but the name of a file, which says nothing about what is in it."""
    return len(text) <= LONGEST_ADDRESS and FILE_REFERENCE.fullmatch(text.strip()) is not None


def looks_like_address(text: str) -> bool:
    """The same, or an address in the web: it may be what is to be classified, or the place of the text."""
    return is_file_reference(text) or (len(text) <= LONGEST_ADDRESS and WEB_ADDRESS.fullmatch(text.strip()) is not None)


def strip_html(markup: str) -> str:
    """Visible text of an HTML fragment; block tags become spaces, inline ones vanish, entities are decoded."""
    text = COMMENT.sub(" ", INVISIBLE.sub(" ", markup))
    text = TAG.sub(" ", INLINE_TAG.sub("", text))
    return " ".join(html.unescape(text).split())


def _look_up(data: Mapping[str, object], key: str) -> object:
    """`data[key]`, else a path with dots, as the editor resolves `$order.text`."""
    if key in data:
        return data[key]
    value: object = data
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _filled(template: str, data: Mapping[str, object]) -> str | None:
    """`$title: $body` with the task's data, as the editor shows it; None when the task has none of the keys."""
    found = {variable: _as_text(_look_up(data, variable[1:])) or "" for variable in TASK_VARIABLE.findall(template)}
    return TASK_VARIABLE.sub(lambda match: found[match.group()], template) if any(found.values()) else None


def _as_text(value: object) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return str(value) if not isinstance(value, float) or math.isfinite(value) else None
    return encodable(value) if isinstance(value, str) else None


def encodable(text: str) -> str:
    """The text, halves of surrogate pairs replaced: JSON lets them through and UTF-8 does not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
