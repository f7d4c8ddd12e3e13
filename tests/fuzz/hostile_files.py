"""Files made hostile: truncated, flipped, with parts that do not fit and checksums that do."""

import gzip
import io
import json
import os
import pickle
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.fuzz.odd_json import encoded, mutated, odd_text

from labelloop.models import model_files

DTYPES = (
    "|i1",
    "<i2",
    "<i4",
    ">i4",
    "<u4",
    "<u8",
    "<f2",
    "<f4",
    ">f4",
    "<f8",
    "<c8",
    "|b1",
    "|S4",
    "<U3",
    "<M8[s]",
    "|V3",
)
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
SHAPES = ((2**40,), (2**62, 2**62), (-1,), (0,), (0, 2**62), (1,) * 40, (True,), (1.5,), "x", (2**31, 2**31), (3, -3))


class Marker:
    """Unpickled, it leaves a file: the sign of executed code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.path),)


def broken_bytes(data: bytes, random: Random) -> bytes:
    """Truncated, flipped, with a piece replaced or added."""
    kind, at = random.randrange(5), random.randrange(len(data) + 1)
    if kind == 0:
        return data[:at]
    if kind == 1:
        changed = bytearray(data)
        for _ in range(random.choice((1, 1, 2, 8, 64)) if data else 0):
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
        return bytes(changed)
    if kind == 2:
        return data[:at] + random.randbytes(random.choice((1, 4, 16))) + data[at + random.choice((0, 1, 4, 16)) :]
    if kind == 3:
        return random.choice((b"", b"\0" * 4096, data * 2, gzip.compress(data, 1), b"PK\x05\x06" + bytes(18)))
    return data[at:] + data[:at]


def hostile_model(directory: Path, good: Path, marker: Path, random: Random) -> str:
    """Write a hostile variant of the model in `good` into the empty `directory`; tells what was done."""
    kind = random.choice([*_MODELS])
    document = json.loads((good / model_files.DOCUMENT).read_bytes())
    arrays = (good / model_files.ARRAYS).read_bytes()
    _MODELS[kind](directory, document, arrays, marker, random)
    return kind


def _write(directory: Path, document: object, arrays: bytes) -> None:
    """Both files, with the checksum that fits them when there can be one."""
    if isinstance(document, dict):
        with suppress(ValueError, RecursionError):
            document["sha256"] = model_files._checksum(document, arrays)
    (directory / model_files.ARRAYS).write_bytes(arrays)
    (directory / model_files.DOCUMENT).write_bytes(json.dumps(document).encode())


def _damaged(directory: Path, document: dict[str, Any], arrays: bytes, _marker: Path, random: Random) -> None:
    _write(directory, document, arrays)
    path = directory / random.choice((model_files.DOCUMENT, model_files.ARRAYS))
    path.write_bytes(broken_bytes(path.read_bytes(), random))


def _other_document(directory: Path, document: dict[str, Any], arrays: bytes, _marker: Path, random: Random) -> None:
    _write(directory, mutated(document, random), arrays)


def _odd_encoding(directory: Path, document: dict[str, Any], arrays: bytes, _marker: Path, random: Random) -> None:
    _write(directory, document, arrays)
    (directory / model_files.DOCUMENT).write_bytes(encoded(mutated(document, random), random))


def _other_archive(directory: Path, document: dict[str, Any], arrays: bytes, _marker: Path, random: Random) -> None:
    _write(directory, document, broken_bytes(arrays, random))


def _other_arrays(directory: Path, document: dict[str, Any], arrays: bytes, marker: Path, random: Random) -> None:
    with zipfile.ZipFile(io.BytesIO(arrays)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(random.choice((1, 1, 2))):
        name = random.choice([*members])
        members[name] = _other_member(members[name], marker, random)
        if random.random() < 0.1:
            odd_name = "x" + odd_text(random)[:999].encode("utf-8", "replace").decode()
            members[random.choice(("x.npy", "../../x.npy", "/x.npy", odd_name))] = members.pop(name)
    _write(directory, document, _zipped(members, random))


def _other_member(member: bytes, marker: Path, random: Random) -> bytes:
    kind = random.randrange(8)
    if kind == 0:
        return broken_bytes(member, random)
    if kind == 1:
        return pickle.dumps(Marker(marker))
    if kind == 2:
        return _npy(np.array([Marker(marker)], dtype=object))
    try:
        array = np.load(io.BytesIO(member), allow_pickle=False)
    except (ValueError, TypeError, OSError, EOFError, MemoryError):  # an earlier mutation made it unreadable
        return member
    if kind == 3:
        return (
            _header({"descr": array.dtype.str, "fortran_order": False, "shape": random.choice(SHAPES)})
            + array.tobytes()
        )
    if kind == 4:
        descr = random.choice((*DTYPES, "|O", [("a", "<f4")], "x", None, 3, "<f4" * 99))
        return _header({"descr": descr, "fortran_order": random.random() < 0.2, "shape": array.shape}) + array.tobytes()
    if kind == 5:
        return _npy(_reshaped(array, random))
    return _npy(_revalued(array, random))


def _reshaped(array: NDArray[Any], random: Random) -> NDArray[Any]:
    cuts = (array[:-1], array[1:], array[::-1], array.ravel(), array.T, array[None], np.concatenate([array, array]))
    return np.ascontiguousarray(random.choice((*cuts, array[:0])))


def _revalued(array: NDArray[Any], random: Random) -> NDArray[Any]:
    changed = array.copy()
    limits = (-127, 127, 0) if changed.dtype.kind == "i" else (0, 2**32 - 1, 2**20)
    values = (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 0.0, -1.0) if changed.dtype.kind == "f" else limits
    where = slice(None) if random.random() < 0.5 else random.randrange(max(1, changed.size))
    if changed.size:
        changed.reshape(-1)[where] = np.array(random.choice(values)).astype(changed.dtype)
    return changed


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=True)
    return buffer.getvalue()


def _header(fields: dict[str, object]) -> bytes:
    """An npy header as text: anything may stand in it."""
    text = repr(fields).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def _zipped(members: dict[str, bytes], random: Random) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data, random.choice(COMPRESSIONS) if random.random() < 0.3 else zipfile.ZIP_DEFLATED)
    packed = bytearray(buffer.getvalue())
    if random.random() < 0.2:  # damage inside of what is compressed, which the checksum of the document covers
        packed[random.randrange(len(packed))] ^= 1 << random.randrange(8)
    return bytes(packed)


def _bomb(directory: Path, document: dict[str, Any], arrays: bytes, _marker: Path, random: Random) -> None:
    """A megabyte of zeros in a kilobyte, that says it is a thousand times as much or as little."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ids.npy", _npy(np.zeros(2**18, np.uint32)))
    packed = buffer.getvalue()
    told = (2**20 + 128).to_bytes(4, "little")
    packed = packed.replace(told, random.choice((2**30, 2**10, 2**32 - 1)).to_bytes(4, "little"))
    _write(directory, document, packed)


def _odd_entries(directory: Path, document: dict[str, Any], arrays: bytes, _marker: Path, random: Random) -> None:
    """Links, folders, pipes and devices where files should be."""
    _write(directory, document, arrays)
    path = directory / random.choice((model_files.DOCUMENT, model_files.ARRAYS))
    path.unlink()
    kind = random.randrange(6)
    if kind == 0:
        path.symlink_to(
            random.choice(("/etc/passwd", "/dev/zero", "/dev/null", "/proc/self/environ", "none", path.name))
        )
    elif kind == 1:
        path.mkdir()
    elif kind == 2:
        os.mkfifo(path)
    elif kind == 3:
        path.touch()
        os.truncate(path, 2**33)  # sparse: 8 GiB that take no room


_MODELS: dict[str, Callable[[Path, dict[str, Any], bytes, Path, Random], None]] = {
    "damaged": _damaged,
    "another document": _other_document,
    "odd encoding": _odd_encoding,
    "another archive": _other_archive,
    "other arrays": _other_arrays,
    "other arrays again": _other_arrays,
    "bomb": _bomb,
    "odd entries": _odd_entries,
}


def hostile_snapshot(path: Path, good: bytes, random: Random) -> str:
    """Write a hostile variant of a snapshot; tells what was done."""
    kind = random.choice([*_SNAPSHOTS])
    path.write_bytes(_SNAPSHOTS[kind](good, random))
    return kind


def _members(good: bytes) -> list[bytes]:
    """The uncompressed members of a gzip file."""
    found = []
    while good:
        decompressor = zlib.decompressobj(31)
        found.append(decompressor.decompress(good))
        good = decompressor.unused_data
    return found


def _other_header(good: bytes, random: Random) -> bytes:
    header, *members = _members(good)
    document = mutated(json.loads(header), random)
    return gzip.compress(encoded(document, random) + b"\n", 1) + b"".join(
        gzip.compress(member, 1) for member in members
    )


def _other_rows(good: bytes, random: Random) -> bytes:
    """Rows changed and everything reported about them changed with them."""
    header, *members = _members(good)
    document = json.loads(header)
    packed = []
    for described, member in zip(document["shards"], members, strict=True):
        lines = member.splitlines()
        at = random.randrange(len(lines))
        changed = mutated(json.loads(lines[at]), random)
        odd = encoded(changed, random).replace(b"\n", b" ")
        lines[at] = odd if random.random() < 0.2 else json.dumps(changed, separators=(",", ":")).encode()
        content = b"\n".join(lines) + b"\n"
        packed.append(gzip.compress(content, 1))
        told = {"length": len(content), "bytes": len(packed[-1]), "sha256": sha256(content).hexdigest()}
        described.update(told, file_sha256=sha256(packed[-1]).hexdigest())
    return gzip.compress(json.dumps(document, separators=(",", ":"), sort_keys=True).encode() + b"\n", 1) + b"".join(
        packed
    )


def _bombed(good: bytes, random: Random) -> bytes:
    """Sixteen megabytes of one character in a few kilobytes."""
    filler = gzip.compress(random.choice((b"\0", b"[", b'{"a":', b"\n")) * 2**22, 1)
    return random.choice((filler, filler + good, good + filler, filler * 40))


_SNAPSHOTS: dict[str, Callable[[bytes, Random], bytes]] = {
    "damaged": broken_bytes,
    "another header": _other_header,
    "other rows": _other_rows,
    "other rows again": _other_rows,
    "bomb": _bombed,
}
