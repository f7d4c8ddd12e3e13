import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.play import answer

from labelloop.label_studio import (
    AnswerTooLarge,
    LabelStudioError,
    NotFound,
    NotLabelStudio,
    Rejected,
    Response,
    Unauthorized,
    Unreachable,
)
from labelloop.label_studio.responses import format_time, parse_time, read_json, read_object

SECRET = "a text nobody should see in a message"


@pytest.mark.parametrize(
    ("response", "error", "transient", "told"),
    [
        (answer({"detail": "Not found."}, 404), NotFound, False, "no project 7"),
        (answer(b"<html>nothing here", 404), NotLabelStudio, False, "404 without JSON"),
        (answer({"detail": "You do not have permission"}, 403), Unauthorized, False, "may change project 7"),
        (answer({"detail": "Invalid token."}, 401), Unauthorized, False, "Invalid token."),
        (answer(b"<html>log in", 401), NotLabelStudio, False, "401 without JSON"),
        (answer(b"<html>log in</html>", 200), NotLabelStudio, False, "answered HTML"),
        (answer(b"ok", 200), NotLabelStudio, False, "no JSON"),
        (answer(b"", 200), NotLabelStudio, False, "no JSON"),
        (answer(b"\xff\xfe\xff", 200), NotLabelStudio, False, "no JSON"),
        (answer(b"[" * 200_000, 200), NotLabelStudio, False, "no JSON"),
        (answer([], 200), NotLabelStudio, False, "not an object"),
        (answer(b"{", 200, complete=False), AnswerTooLarge, False, "too large"),
        (answer(b"<html>bad gateway", 502), Unreachable, True, "502"),
        (answer(b"", 503), Unreachable, True, "503"),
        (answer({"detail": "slow down"}, 429), Unreachable, True, "429"),
        (answer(b"<html>Server Error", 500), Rejected, True, "with 500: why is in"),
        (answer({"detail": "Can't resolve hostname x"}, 500), Rejected, True, "Can't resolve hostname x"),
        (answer({"detail": "bad"}, 400), Rejected, False, "with 400: why is in"),
        (
            Response(302, {"location": "https://sso.example/login?token=xyz"}, b"", url="http://u"),
            NotLabelStudio,
            False,
            "redirects to https://sso.example, and",
        ),
        (Response(301, {"location": "/user/login/"}, b"", url="http://u"), NotLabelStudio, False, "another path"),
    ],
)
def test_every_kind_of_answer_has_its_error(
    response: Response, error: type[LabelStudioError], transient: bool, told: str
) -> None:
    with pytest.raises(error, match=told) as caught:
        read_object(response, "project 7")
    assert type(caught.value) is error
    assert caught.value.transient is transient
    assert response.url in caught.value.message
    assert "xyz" not in caught.value.message


def test_validation_messages_are_told() -> None:
    body = {
        "detail": "Validation error",
        "validation_errors": {
            "non_field_errors": ["Can't connect to ML backend"],
            "title": ["too short", {"a": ["b"]}],
        },
    }
    with pytest.raises(Rejected) as caught:
        read_json(answer(body, 400), "an ML backend")
    assert caught.value.detail == "Can't connect to ML backend; title: too short; title: a: b"
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("", 0.0), ("-3", 0.0), ("9" * 5000, 300.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0)],
)
def test_when_to_ask_again_is_read_and_bounded(header: str, seconds: float) -> None:
    with pytest.raises(Unreachable) as caught:
        read_json(Response(429, {"retry-after": header}, b"", url="http://u"), "project 7")
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    "body", [{"detail": "s3cret"}, {"s3cret": "s3cret"}, {"validation_errors": ["s3cret"]}, ["s3cret"], b"s3cret"]
)
@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_no_message_holds_anything_of_a_body(body: object, status: int) -> None:
    with pytest.raises(LabelStudioError) as caught:
        read_object(answer(body, status), "project 7")
    assert "s3cret" not in caught.value.message


def test_sentences_of_label_studio_are_told_in_our_copy_of_them() -> None:
    body = {"non_field_errors": ["Can't connect to ML backend http://x, health check failed: s3cret"]}
    with pytest.raises(Rejected, match="with 400: Can't connect to ML backend, health check failed") as caught:
        read_json(answer(body, 400), "it")
    assert "s3cret" not in caught.value.message
    assert "s3cret" in str(caught.value)  # for who runs the command with a token of their own


def test_details_are_bounded_and_on_one_line() -> None:
    with pytest.raises(Rejected) as caught:
        read_json(answer({"detail": "line\n\x1b[31m <a href='http://x'>two</a> " + "x" * 10_000}, 400), "it")
    assert caught.value.detail.startswith("line [31m two xxx")
    assert len(caught.value.detail) <= 500


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500, 503])
def test_bodies_without_json_are_never_quoted(status: int) -> None:
    with pytest.raises(LabelStudioError) as caught:
        read_object(answer(f"<p>{SECRET}".encode(), status), "project 7")
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(answer(SECRET))


JSON = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.integers(100, 599), st.binary(max_size=30) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_answer_gives_another_error(status: int, body: bytes) -> None:
    try:
        assert isinstance(read_object(Response(status, {}, body, url="http://u"), "it"), dict)
    except LabelStudioError as error:
        message = error.message
        assert len(message) < 1500
        assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-22T05:41:42.222213Z", datetime(2026, 11, 22, 5, 41, 42, 222213, UTC)),
        ("2026-11-22T05:41:42Z", datetime(2026, 11, 22, 5, 41, 42, 0, UTC)),
        ("2026-11-22T07:41:42.5+02:00", datetime(2026, 11, 22, 5, 41, 42, 500000, UTC)),
        ("2026-11-22T05:41:42.000001", datetime(2026, 11, 22, 5, 41, 42, 1, UTC)),
    ],
)
def test_times_are_read_in_utc_with_microseconds(text: str, time: datetime) -> None:
    assert parse_time(text) == time
    assert parse_time(text).utcoffset() == timedelta(0)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_times_survive_writing_and_reading(time: datetime) -> None:
    assert parse_time(format_time(time)) == time


def test_times_are_written_in_the_only_form_that_filters_take() -> None:
    east = timezone(timedelta(hours=2))
    assert format_time(datetime(2026, 11, 22, 8, tzinfo=east)) == "2026-11-22T06:00:00.000000Z"
    with pytest.raises(ValueError, match="time zone"):
        format_time(datetime(2026, 11, 22, 8))
