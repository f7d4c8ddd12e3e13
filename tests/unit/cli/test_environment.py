from pathlib import Path

import pytest

from labelloop.environment import Environment, SettingsError


def read(value, method, *arguments, **options):
    variables = {} if value is None else {"NAME": value}
    return getattr(Environment(variables), method)("NAME", *arguments, **options)


@pytest.mark.parametrize(
    ("value", "method", "arguments", "expected"),
    [
        (" a ", "text", (), "a"),
        ("  ", "optional", (), None),
        ("", "text", ("default",), "default"),
        ("7", "integer", (), 7),
        (None, "integer", (3,), 3),
        ("0.5", "number", (), 0.5),
        ("TRUE", "flag", (), True),
        ("off", "flag", (True,), False),
        (None, "flag", (True,), True),
        ("/x/y", "path", (), Path("/x/y")),
        (None, "optional_path", (), None),
        ("debug", "choice", (("DEBUG", "INFO"), "INFO"), "DEBUG"),
        ("http://a.b:80/c/", "url", (), "http://a.b:80/c"),
        ('{"C": 1}', "json_object", (), {"C": 1}),
        (None, "json_object", (), {}),
    ],
)
def test_values(value, method, arguments, expected):
    assert read(value, method, *arguments) == expected


@pytest.mark.parametrize(
    ("value", "method", "options", "told"),
    [
        (None, "text", {}, "not set"),
        ("x", "integer", {}, "'x'"),
        ("1.5", "integer", {}, "'1.5'"),
        ("0", "integer", {"minimum": 1}, "at least 1"),
        ("9", "integer", {"maximum": 8}, "at most 8"),
        (None, "integer", {}, "not set"),
        ("nan", "number", {}, "finite"),
        ("inf", "number", {}, "finite"),
        ("a", "number", {}, "'a'"),
        (None, "number", {}, "not set"),
        ("maybe", "flag", {}, "'maybe'"),
        ("x", "choice", {"allowed": ("a", "b"), "default": "a"}, "a, b"),
        ("ftp://a", "url", {}, "ftp://a"),
        ("label-studio", "url", {}, "use an address"),
        ("http://a:x", "url", {}, "use an address"),
        ("http://a?b=c", "url", {}, "use an address"),
        (None, "url", {}, "not set"),
        ("[1]", "json_object", {}, "[1]"),
        ("{", "json_object", {}, "not JSON"),
        ('{"C": NaN}', "json_object", {}, "NaN"),
    ],
)
def test_mistakes_name_variable_value_and_remedy_in_one_line(value, method, options, told):
    with pytest.raises(SettingsError) as caught:
        read(value, method, **options)
    message = str(caught.value)
    assert message.startswith("NAME ")
    assert told in message
    assert "\n" not in message


def test_credentials_in_an_address_are_refused_and_not_repeated():
    with pytest.raises(SettingsError) as caught:
        read("http://user:secret@host", "url")
    assert "secret" not in str(caught.value)
