from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http import h11_impl, httptools_impl

from labelloop.serving.bentoml_patches import reason_phrases
from labelloop.serving.bentoml_patches.reason_phrases import MAX_CHARACTERS, ReasonedStatus


def test_uvicorn_still_takes_phrases_from_tables_by_status_code():
    assert httptools_impl.STATUS_LINE[404] == b"HTTP/1.1 404 Not Found\r\n"
    assert h11_impl.STATUS_PHRASES[404] == b"Not Found"


def test_an_installed_server_sends_the_phrase_and_keeps_the_standard_ones():
    reason_phrases.install()
    reason_phrases.install()
    status = ReasonedStatus(422, "No <Choices> found")
    assert httptools_impl.STATUS_LINE[status] == b"HTTP/1.1 422 No <Choices> found\r\n"
    assert h11_impl.STATUS_PHRASES[status] == b"No <Choices> found"
    assert httptools_impl.STATUS_LINE[200] == b"HTTP/1.1 200 OK\r\n"
    assert h11_impl.STATUS_PHRASES[200] == b"OK"


def test_a_status_with_a_reason_is_a_plain_number_to_everything_else():
    status = ReasonedStatus(422, "why")
    assert status == 422
    assert str(status) == "422"
    assert {422: "found"}[status] == "found"


@given(st.text())
def test_no_text_can_break_out_of_the_status_line(reason: str):
    phrase = ReasonedStatus(422, reason).phrase
    assert len(phrase) <= MAX_CHARACTERS
    assert all(0x20 <= byte <= 0x7E for byte in phrase)
