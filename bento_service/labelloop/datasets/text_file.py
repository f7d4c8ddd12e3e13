"""The text of a data file: what can be wrong with a file before its content matters, each with its remedy."""

import codecs
from pathlib import Path

TABLES, JSON, JSON_LINES = (".csv", ".tsv"), (".json",), (".jsonl", ".ndjson")
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
KNOWN = "a table (.csv, .tsv), Label Studio's JSON or JSON-MIN export (.json), or JSON Lines (.jsonl)"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Before UTF-16, whose mark is the beginning of this one.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class DataFileError(ValueError):
    """A file cannot be used; the message names it, what is wrong and the remedy."""


def read_text(path: Path, encoding: str | None = None) -> str:
    """The content of a file of a known kind, decoded. `encoding` None: as its byte order mark says, else UTF-8.

    Raises DataFileError.
    """
    _check_kind(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataFileError(f"{path} cannot be read ({error.strerror})") from None
    if not content.strip():
        raise DataFileError(f"{path} is empty: give a file with labelled texts")
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    if encoding is None and marked is None and b"\0" in content:
        likely = "utf-16-be" if content.startswith(b"\0") else "utf-16-le"
        raise DataFileError(
            f"{path} holds zero bytes, as UTF-16 without a byte order mark does: save it as UTF-8, "
            f"or give --encoding {likely}"
        )
    text = _decoded(path, content, encoding or marked or "utf-8", chosen=encoding is not None)
    return text.removeprefix("\ufeff")


def _check_kind(path: Path) -> None:
    suffix = path.suffix.lower()
    if path.is_dir():
        raise DataFileError(f"{path} is a folder: name a file in it")
    if suffix in SPREADSHEETS:
        raise DataFileError(f"{path} is a spreadsheet: save it as CSV UTF-8 (Excel: File > Save As > CSV UTF-8)")
    if suffix not in (*TABLES, *JSON, *JSON_LINES):
        raise DataFileError(f"{path} is of no known kind: use {KNOWN}")


def _decoded(path: Path, content: bytes, encoding: str, *, chosen: bool) -> str:
    try:
        return content.decode(encoding)
    except LookupError:
        raise DataFileError(
            f"--encoding is {encoding!r}, which Python does not know: use utf-8, utf-16, latin-1 or cp1252"
        ) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        remedy = "give another --encoding" if chosen else "save it as CSV UTF-8, or give --encoding, such as cp1252"
        byte = f"byte 0x{content[error.start]:02X} in line {line}"
        raise DataFileError(f"{path} is not {encoding.upper()} ({byte}): {remedy}") from None
