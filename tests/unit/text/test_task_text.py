import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop.label_config.schema import Control, text_of
from labelloop.text.task_text import strip_html


def control(object_type: str = "Text", data_key: str = "text") -> Control:
    return Control("label", "text", object_type, data_key, (), multiple=False)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"text": "hello"}, "hello"),
        ({"text": ""}, ""),
        ({"text": 7}, "7"),
        ({"text": 1.5}, "1.5"),
        ({"text": "😀 ok"}, "😀 ok"),
        ({"text": "x" * 1_000_000}, "x" * 1_000_000),
        ({}, None),
        ({"other": "hello"}, None),
        ({"text": None}, None),
        ({"text": True}, None),
        ({"text": float("nan")}, None),
        ({"text": ["a"]}, None),
        ({"text": {"a": 1}}, None),
        ({"text": "half \ud83d"}, "half \ufffd"),
    ],
)
def test_text_of_plain_text(data: dict[str, object], text: str | None) -> None:
    assert text_of(data, control()) == text


def test_nested_keys_and_keys_with_dots() -> None:
    assert text_of({"order": {"text": "deep"}}, control(data_key="order.text")) == "deep"
    assert text_of({"order.text": "flat", "order": {"text": "deep"}}, control(data_key="order.text")) == "flat"
    assert text_of({"order": "no object"}, control(data_key="order.text")) is None


def test_hypertext_is_stripped_of_markup() -> None:
    markup = "<p>Hello&nbsp;<b>w</b>orld</p><style>x{}</style><script>run()</script><br>a < b &amp; c > d<!-- no -->"
    assert text_of({"text": markup}, control("HyperText")) == "Hello world a < b & c > d"
    assert text_of({"text": markup}, control("Text")) == markup


def test_a_text_with_several_keys_is_filled_as_the_editor_does() -> None:
    data = {"title": "Hello", "body": {"html": "<p>A &amp; B</p>"}, "price": 5}
    assert text_of(data, control(data_key="$title: costs $price. $gone")) == "Hello: costs 5. "
    assert text_of(data, control("HyperText", "<h1>$title</h1><hr/>$body.html")) == "Hello A & B"
    assert text_of({"other": "a"}, control(data_key="$title: $price")) is None


def test_markup_around_a_value_is_stripped_too() -> None:
    assert text_of({"html": "<p>hi</p>"}, control("HyperText", "<div>$html</div>")) == "hi"


def test_paragraphs_are_joined_without_speakers() -> None:
    dialogue = [{"author": "A", "text": "hi"}, {"author": "B", "text": 5}, {"author": "C"}, "loose", None]
    assert text_of({"text": dialogue}, control("Paragraphs")) == "hi\n5\nloose"
    assert text_of({"text": "already text"}, control("Paragraphs")) == "already text"
    assert text_of({"text": [{"author": "A"}]}, control("Paragraphs")) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.sampled_from(["Text", "HyperText", "Paragraphs"]))
def test_any_value_gives_encodable_text_or_none(value: object, object_type: str) -> None:
    text = text_of({"text": json.loads(json.dumps(value))}, control(object_type))
    assert text is None or isinstance(text.encode(), bytes)


@pytest.mark.parametrize("piece", ["<", "<!--", "<script>", "<head", "<a ", "</b", "&#", "<!-- <script "])
def test_hostile_markup_is_stripped_in_linear_time(piece: str) -> None:
    strip_html(piece * 100_000)  # quadratic time would take hours
