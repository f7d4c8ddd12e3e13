"""Model directories: one JSON document and one archive of numpy arrays (docs/internals/interfaces.md 2.1).

Written byte for byte the same for the same content. Reading trusts nothing: sizes are bounded before anything is
allocated, arrays are taken from their raw bytes (never unpickled), and a checksum in the document covers both files.
"""

import hashlib
import io
import json
import lzma
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from labelloop.models.errors import ModelFileError

FORMAT = 1
DOCUMENT = "model.json"
ARRAYS = "arrays.npz"
MAX_DOCUMENT_BYTES = 8 * 2**20
MAX_ARRAY_BYTES = 512 * 2**20
MAX_ARRAYS = 256
MAX_NUMBER = 1e9
"""Of no array that training writes; far below it products stay finite."""
_CHECKSUM = "sha256"
# What reading a damaged zip archive raises.
_UNREADABLE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, RuntimeError, OSError,
    ValueError, OverflowError,
)  # fmt: skip
_ALLOWED_DTYPES = frozenset({"|i1", "<i4", "<u4", "<f4"})
# The earliest time a zip entry can carry: the archive must not depend on when it was written.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)

Document = dict[str, Any]
Arrays = Mapping[str, NDArray[Any]]


def write(directory: Path, document: Mapping[str, object], arrays: Arrays) -> None:
    """Write both files into `directory` (made when missing); `document` gets its `format` and checksum here."""
    directory.mkdir(parents=True, exist_ok=True)
    packed = _pack(arrays)
    body = {**document, "format": FORMAT}
    body[_CHECKSUM] = _checksum(body, packed)
    (directory / ARRAYS).write_bytes(packed)
    (directory / DOCUMENT).write_bytes(_canonical(body) + b"\n")


def read_document(directory: Path) -> Document:
    """The JSON document; raises ModelFileError when it is missing, damaged, too large or of another format."""
    path = directory / DOCUMENT
    data = _read_bounded(path, MAX_DOCUMENT_BYTES)
    try:
        document = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: not a JSON document ({error}): write the model again") from None
    if not isinstance(document, dict):
        raise ModelFileError(f"{path}: a {type(document).__name__} instead of an object: write the model again")
    if document.get("format") != FORMAT:
        raise ModelFileError(
            f"{path}: format is {document.get('format')!r:.100}, known is {FORMAT}: "
            "serve this model with the version of labelloop that made it"
        )
    return document


def read_arrays(directory: Path, document: Document) -> dict[str, NDArray[Any]]:
    """The arrays that belong to `document`; raises ModelFileError when they are damaged, too large or another's."""
    path = directory / ARRAYS
    packed = _read_bounded(path, MAX_ARRAY_BYTES)
    if not _fits(document, packed):
        raise ModelFileError(f"{path}: does not match the checksum in {DOCUMENT}: one of them is damaged or incomplete")
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            members = archive.infolist()
            if len(members) > MAX_ARRAYS or sum(member.file_size for member in members) > MAX_ARRAY_BYTES:
                raise ModelFileError(f"{path}: more than {MAX_ARRAYS} arrays or {MAX_ARRAY_BYTES} bytes unpacked")
            return {member.filename.removesuffix(".npy"): _read_array(path, archive, member) for member in members}
    except ModelFileError:
        raise
    except _UNREADABLE as error:
        told = f"{type(error).__name__}: {error}"
        raise ModelFileError(f"{path}: not a readable archive ({told!r:.200}): write the model again") from None


def _read_array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as file:
        shape, dtype = _read_header(path, file, member.filename)
        wanted = math.prod(shape) * dtype.itemsize
        if wanted > member.file_size:
            raise ModelFileError(f"{path}: {member.filename!r:.100} promises {wanted} bytes in {member.file_size}")
        data = file.read(wanted + 1)
    if len(data) != wanted:
        raise ModelFileError(f"{path}: {member.filename!r:.100} holds {len(data)} bytes of data instead of {wanted}")
    array = np.frombuffer(data, dtype).reshape(shape)
    if array.dtype.kind == "f" and not (np.abs(array) <= MAX_NUMBER).all():
        raise ModelFileError(
            f"{path}: {member.filename!r:.100} holds numbers that are not finite or beyond {MAX_NUMBER:g}"
        )
    return array


def _read_header(path: Path, file: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("not version 1.0 of the npy format")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except (*_UNREADABLE, TypeError, SyntaxError, TokenError, RecursionError, MemoryError) as error:
        raise ModelFileError(f"{path}: {name!r:.100} has no readable header ({type(error).__name__})") from None
    if fortran or dtype.str not in _ALLOWED_DTYPES or len(shape) > 2 or min(shape, default=0) < 0:
        told = f"{dtype.str} of shape {shape}"
        raise ModelFileError(f"{path}: {name!r:.100} is {told:.200}: not what labelloop writes")
    return shape, dtype


def _pack(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            entry = zipfile.ZipInfo(f"{name}.npy", _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(arrays[name]), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _read_bounded(path: Path, limit: int) -> bytes:
    """Of a regular file, or a link to one: a pipe would be waited for, a device never ends."""
    try:
        if path.exists() and not path.is_file():
            raise ModelFileError(f"{path}: not a file: write the model again")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(limit + 1) if size <= limit else b""
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from None
    if max(size, len(data)) > limit:
        raise ModelFileError(f"{path}: larger than {limit} bytes, which no model of labelloop is")
    return data


def _fits(document: Mapping[str, object], packed: bytes) -> bool:
    try:
        return document.get(_CHECKSUM) == _checksum(document, packed)
    except (ValueError, RecursionError):  # 1e999 can be read as JSON, and not be written
        return False


def _checksum(document: Mapping[str, object], packed: bytes) -> str:
    digest = hashlib.sha256(_canonical({key: value for key, value in document.items() if key != _CHECKSUM}))
    digest.update(packed)
    return digest.hexdigest()


def _canonical(document: Mapping[str, object]) -> bytes:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")
