"""Which classes a dex file defines, read from its tables (Android's "Dalvik executable format")."""

from __future__ import annotations

import struct

_STRING_IDS, _TYPE_IDS, _CLASS_DEFS = 0x38, 0x40, 0x60
"""Where the header has the count and the offset of each table."""
_CLASS_DEF_SIZE = 32


def _leb128(data: bytes, at: int) -> int:
    """Where the number that begins at `at` ends."""
    while data[at] & 0x80:
        at += 1
    return at + 1


def _string(data: bytes, index: int) -> str:
    table = struct.unpack_from("<I", data, _STRING_IDS + 4)[0]
    start = _leb128(data, struct.unpack_from("<I", data, table + 4 * index)[0])
    return data[start : data.index(b"\0", start)].decode("utf-8", "replace")


def dex_classes(data: bytes) -> set[str]:
    """Their names as Java has them: app.likeness.MainActivity. Raises ValueError for what is no dex file."""
    if data[:4] != b"dex\n":
        raise ValueError("not a dex file")
    types = struct.unpack_from("<I", data, _TYPE_IDS + 4)[0]
    count, table = struct.unpack_from("<II", data, _CLASS_DEFS)
    names = set()
    for i in range(count):
        type_index = struct.unpack_from("<I", data, table + i * _CLASS_DEF_SIZE)[0]
        descriptor = _string(data, struct.unpack_from("<I", data, types + 4 * type_index)[0])
        names.add(descriptor[1:-1].replace("/", "."))
    return names
