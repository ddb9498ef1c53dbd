"""The C++ safetensors reader and writer agree with the safetensors library, and refuse the rest."""

from __future__ import annotations

import ctypes
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

TYPES: list[np.dtype[Any]] = [np.dtype(np.float32), np.dtype(np.float16), np.dtype(np.int64)]
NAMES = st.text(max_size=12).filter(lambda name: name != "__metadata__")
ARRAYS = st.sampled_from(TYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)


def call(library: ctypes.CDLL, name: str, *arguments: Any, capacity: int = 1 << 16) -> bytes:
    """`lkt_safetensors_<name>` with an output buffer; an Error becomes ValueError."""
    out = ctypes.create_string_buffer(capacity)
    size = ctypes.c_size_t()
    function = getattr(library, f"lkt_safetensors_{name}")
    check(library, function(*arguments, out, ctypes.c_size_t(capacity), ctypes.byref(size)))
    assert size.value <= capacity
    return out.raw[: size.value]


def check(library: ctypes.CDLL, code: int) -> None:
    if code != 0:
        message = library.lkt_error_message
        message.restype = ctypes.c_char_p
        raise ValueError(f"{code}: {message().decode('ascii')}")


def rewrite(library: ctypes.CDLL, data: bytes) -> bytes:
    """Read by the core, written by the core."""
    size = ctypes.c_size_t(len(data))
    return call(library, "rewrite", data, size, capacity=2 * len(data) + 4096)


def file_of(header: bytes | str | Mapping[str, Any], data: bytes = b"", length: int = -1) -> bytes:
    """A file with that header; `length` is what it says about itself when not the truth."""
    text = json.dumps(header) if isinstance(header, Mapping) else header
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw) if length < 0 else length) + raw + data


def entry(begin: int = 0, end: int = 4, shape: Any = (1,), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(NAMES, ARRAYS, max_size=6),
    st.dictionaries(st.text(max_size=6), st.text(), max_size=1),
)
def test_same_bytes_as_the_library(
    testing_library: ctypes.CDLL, tensors: dict[str, np.ndarray], metadata: dict[str, str]
) -> None:
    # The library writes several metadata entries in random order, so bytes are compared for one.
    theirs = save(tensors, metadata or None)
    assert rewrite(testing_library, theirs) == theirs


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(NAMES, ARRAYS, max_size=4), st.dictionaries(st.text(), st.text(), max_size=5))
def test_the_library_reads_what_the_core_wrote(
    testing_library: ctypes.CDLL,
    tmp_path_factory: pytest.TempPathFactory,
    tensors: dict[str, np.ndarray],
    metadata: dict[str, str],
) -> None:
    # Not `{}`: without tensors, the library then writes a file that it cannot read itself.
    ours = rewrite(testing_library, save(tensors, metadata or None))
    assert ours == rewrite(testing_library, ours), "the same content must give the same bytes"
    read = load(ours)
    assert read.keys() == tensors.keys()
    for name, array in tensors.items():
        assert read[name].dtype == array.dtype and read[name].shape == array.shape
        assert read[name].tobytes() == array.tobytes()
    path = tmp_path_factory.mktemp("st") / "file.safetensors"
    path.write_bytes(ours)
    with safe_open(path, "numpy") as opened:
        assert (opened.metadata() or {}) == metadata
    assert (8 + struct.unpack("<Q", ours[:8])[0]) % 8 == 0


def test_writing_from_scratch(testing_library: ctypes.CDLL) -> None:
    for number, dtype in enumerate(TYPES):
        array = np.arange(6).astype(dtype).reshape(2, 3)
        raw = array.tobytes()
        shape = (ctypes.c_int64 * 2)(2, 3)
        arguments = (b"x", number, shape, ctypes.c_size_t(2), raw, ctypes.c_size_t(len(raw)))
        ours = call(testing_library, "write", *arguments, b"kind", "modèle".encode())
        assert ours == save({"x": array}, {"kind": "modèle"})


@pytest.mark.parametrize(
    ("name", "shape", "size", "value"),
    [
        (b"x", (2, 3), 20, b""),
        (b"x", (-1, 3), 12, b""),
        (b"x", (1 << 40, 1 << 40), 0, b""),
        (b"__metadata__", (1,), 4, b""),
        (b"\xff", (1,), 4, b""),
        (b"x", (1,), 4, b"\xc3"),
    ],
)
def test_what_cannot_be_written(
    testing_library: ctypes.CDLL, name: bytes, shape: tuple[int, ...], size: int, value: bytes
) -> None:
    dimensions = (ctypes.c_int64 * len(shape))(*shape)
    arguments = (name, 0, dimensions, ctypes.c_size_t(len(shape)), bytes(64), ctypes.c_size_t(size))
    with pytest.raises(ValueError, match="^1: safetensors: "):
        call(testing_library, "write", *arguments, b"k", value)


BIG = 1 << 62
HOSTILE: list[tuple[str, bytes, str]] = [
    ("empty", b"", "too few"),
    ("short", b"\1\0\0\0", "too few"),
    ("length past the end", file_of({"a": entry()}, bytes(4), 1000), "may be incomplete"),
    ("length wraps", file_of({"a": entry()}, bytes(4), 2**64 - 1), "may be incomplete"),
    ("length too small", file_of({"a": entry()}, bytes(4), 10), "not JSON"),
    ("length zero", file_of({"a": entry()}, bytes(4), 0), "not JSON"),
    ("header huge", file_of(b" " * (17 << 20)), "too large"),
    ("header is a list", file_of(b"[]"), "not an object"),
    ("header is null", file_of(b"null"), "not an object"),
    ("not UTF-8", file_of(b'{"\xff":{}}'), "not JSON"),
    ("lone surrogate", file_of(b'{"\\ud800":{}}'), "not JSON"),
    ("zero byte", file_of(b"{}\0garbage"), "zero byte"),
    ("byte order mark", file_of(b"\xef\xbb\xbf{}"), "byte order mark"),
    ("nested", file_of(b'{"a":' * 50_000), "nested too deeply"),
    ("nested lists", file_of(b"[" * 50_000), "nested too deeply"),
    (
        "name twice",
        file_of('{"a":%s,"a":%s}' % (2 * (json.dumps(entry()),)), bytes(4)),
        '"a" twice',
    ),
    ("field twice", file_of('{"a":{"dtype":"F32","dtype":"F32"}}'), '"dtype" twice'),
    ("metadata twice", file_of('{"__metadata__":{"k":"1","k":"2"}}'), '"k" twice'),
    ("metadata number", file_of({"__metadata__": {"k": 1}}), 'metadata "k" is not a string'),
    ("metadata list", file_of({"__metadata__": []}), "__metadata__ is not an object"),
    ("tensor is a list", file_of({"a": []}), '"a" is not described'),
    ("no dtype", file_of({"a": {"shape": [], "data_offsets": [0, 4]}}), '"a" has no dtype'),
    ("no shape", file_of({"a": {"dtype": "F32", "data_offsets": [0, 4]}}), '"a" has no shape'),
    ("no offsets", file_of({"a": {"dtype": "F32", "shape": []}}), '"a" has no data_offsets'),
    ("dtype BF16", file_of({"a": entry(dtype="BF16")}, bytes(4)), 'has type "BF16"; known are'),
    ("dtype number", file_of({"a": entry(dtype=3)}, bytes(4)), "has type no string"),
    ("shape number", file_of({"a": entry(shape=4)}, bytes(4)), 'shape of tensor "a" is not a list'),
    ("negative", file_of({"a": entry(shape=[-1])}, bytes(4)), "not a size"),
    ("fraction", file_of({"a": entry(shape=[1.0])}, bytes(4)), "not a size"),
    ("dimension huge", file_of({"a": entry(shape=[2**63])}, bytes(4)), "not a size"),
    ("dimension absurd", file_of({"a": entry(shape=[2**70])}, bytes(4)), "not a size"),
    ("product wraps to 4", file_of({"a": entry(shape=[BIG, 4, 1])}, bytes(4)), "too large"),
    ("wraps to 0", file_of({"a": entry(0, 0, [2**32, 2**32])}), "too large"),
    ("zero hides overflow", file_of({"a": entry(0, 0, [0, BIG, BIG])}), "too large"),
    ("too few bytes", file_of({"a": entry(shape=[2])}, bytes(4)), "has 4 bytes.*needs 8"),
    ("offset past the end", file_of({"a": entry(4, 8)}, bytes(4)), "bytes 4 to 8 of 4"),
    ("offset wraps", file_of({"a": entry(2**64 - 4, 0)}, bytes(4)), "claims bytes"),
    ("offsets swapped", file_of({"a": entry(4, 0)}, bytes(4)), "claims bytes 4 to 0"),
    ("offset negative", file_of({"a": entry(-4, 0)}, bytes(4)), "not two positions"),
    ("one offset", file_of('{"a":{"dtype":"F32","shape":[],"data_offsets":[0]}}'), "not two"),
    ("overlap", file_of({"a": entry(), "b": entry()}, bytes(4)), "overlaps"),
    ("half overlap", file_of({"a": entry(), "b": entry(2, 6)}, bytes(6)), '"b" overlaps'),
    ("gap", file_of({"a": entry(), "b": entry(8, 12)}, bytes(12)), 'gap before tensor "b"'),
    ("leading gap", file_of({"a": entry(4, 8)}, bytes(8)), 'gap before tensor "a"'),
    ("rest", file_of({"a": entry()}, bytes(6)), "2 bytes at the end"),
]


@pytest.mark.parametrize(("data", "message"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE])
def test_hostile_files_are_named(testing_library: ctypes.CDLL, data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^3: safetensors: .*{message}"):
        rewrite(testing_library, data)


JSON_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 2**65),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["F32", "F16", "I64", "BF16", ""]),
    ),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
ENTRIES = st.one_of(
    st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(["F32", "F16", "I64"]),
            "shape": st.lists(st.integers(0, 3), max_size=3),
            "data_offsets": st.lists(st.integers(0, 24), min_size=2, max_size=2).map(sorted),
        }
    ),
    st.dictionaries(st.sampled_from(["dtype", "shape", "data_offsets", "x"]), JSON_VALUES, max_size=4),
)


@settings(max_examples=1000, deadline=None)
@given(st.dictionaries(st.text(max_size=3), ENTRIES, max_size=3), st.binary(max_size=24))
def test_whatever_the_core_accepts_the_library_reads_alike(
    testing_library: ctypes.CDLL, header: dict[str, Any], data: bytes
) -> None:
    file = file_of(header, data)
    try:
        rewritten = rewrite(testing_library, file)
    except ValueError as error:
        assert str(error).startswith("3: safetensors: ")
        return
    ours, theirs = load(rewritten), load(file)
    assert {k: (v.shape, v.tobytes()) for k, v in ours.items()} == {
        k: (v.shape, v.tobytes()) for k, v in theirs.items()
    }


@settings(max_examples=1000, deadline=None)
@given(st.integers(0, 300), st.integers(0, 255), st.integers(0, 300))
def test_damage_is_found_or_harmless(testing_library: ctypes.CDLL, where: int, value: int, cut: int) -> None:
    good = save({"weight": np.ones((2, 3), np.float32), "step": np.array([7])}, {"kind": "full"})
    bad = bytearray(good)
    bad[where % len(bad)] = value
    for damaged in (bytes(bad), good[: cut % len(good)]):
        try:
            rewritten = rewrite(testing_library, damaged)
        except ValueError as error:
            assert str(error).startswith("3: safetensors: ")
            continue
        try:
            reference = load(damaged)
        except SafetensorError as error:
            pytest.fail(f"the core accepts what the library does not: {error}")
        assert load(rewritten).keys() == reference.keys()


def test_require_names_the_difference(testing_library: ctypes.CDLL, tmp_path: Path) -> None:
    data = save({"weight": np.ones((2, 3), np.float32)})

    def require(name: bytes, kind: int, *shape: int) -> None:
        dimensions = (ctypes.c_int64 * len(shape))(*shape)
        size, rank = ctypes.c_size_t(len(data)), ctypes.c_size_t(len(shape))
        function = testing_library.lkt_safetensors_require
        check(testing_library, function(data, size, name, kind, dimensions, rank))

    require(b"weight", 0, 2, 3)
    with pytest.raises(ValueError, match=r'"weight" is F32 \[2, 3\], expected F32 \[3, 2\]'):
        require(b"weight", 0, 3, 2)
    with pytest.raises(ValueError, match=r"expected F16 \[2, 3\]"):
        require(b"weight", 1, 2, 3)
    with pytest.raises(ValueError, match='"bias" is missing'):
        require(b"bias", 0, 2)
