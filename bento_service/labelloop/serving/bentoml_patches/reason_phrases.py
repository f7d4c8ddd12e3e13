"""HTTP reason phrases of our own, because Label Studio shows nothing else of a refused `/setup`.

Label Studio puts the error text of `requests` before its user: status and reason phrase, never the body. ASGI has no
place for a reason phrase, and uvicorn takes it from a table by status code. A status that is an `int` with a phrase
passes through every ASGI layer unchanged, and the two tables of uvicorn are replaced by ones that ask it. A server that
does not know of it sends the standard phrase.
"""

import sys

MAX_CHARACTERS = 300


class ReasonedStatus(int):
    """A status code that carries its own reason phrase: printable ASCII of one line, no header can be forged by it."""

    phrase: bytes

    def __new__(cls, code: int, reason: str) -> "ReasonedStatus":
        """`reason` may be any text."""
        status = super().__new__(cls, code)
        printable = "".join(character if " " <= character <= "~" else " " for character in reason)
        status.phrase = " ".join(printable.split())[:MAX_CHARACTERS].encode("ascii")
        return status


class _StatusLines(dict[int, bytes]):
    """uvicorn's httptools table: code -> complete status line."""

    def __getitem__(self, code: int) -> bytes:
        if isinstance(code, ReasonedStatus):
            return b"HTTP/1.1 %d %s\r\n" % (code, code.phrase)
        return super().__getitem__(code)


class _StatusPhrases(dict[int, bytes]):
    """uvicorn's h11 table: code -> phrase."""

    def __getitem__(self, code: int) -> bytes:
        return code.phrase if isinstance(code, ReasonedStatus) else super().__getitem__(code)


def install() -> None:
    """Teach uvicorn's HTTP protocol about ReasonedStatus, once it has chosen one; calling it again changes nothing."""
    # The other protocol is not imported for that: it takes a while.
    for module, name, table in _TABLES:
        if (protocol := sys.modules.get(f"uvicorn.protocols.http.{module}")) is not None:
            setattr(protocol, name, table(getattr(protocol, name)))


_TABLES: tuple[tuple[str, str, type[dict[int, bytes]]], ...] = (
    ("httptools_impl", "STATUS_LINE", _StatusLines),
    ("h11_impl", "STATUS_PHRASES", _StatusPhrases),
)
