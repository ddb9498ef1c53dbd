"""What the Core ML back end is made of that needs no Apple system: arrays with strides, names, and the cache of
compiled models. numpy is the oracle.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

CORRUPT, INTERNAL, IO = 3, 11, 2
ELEMENTS = [np.dtype(name) for name in ("float16", "float32", "float64", "int32")]
TENSORS = [np.dtype("float32"), np.dtype("int64")]
sizes_pointer = ctypes.POINTER(ctypes.c_int64)


class RefusedError(Exception):
    """(status, message) of the core."""


@pytest.fixture(scope="module")
def core(testing_library):
    testing_library.lkt_error_message.restype = ctypes.c_char_p

    def call(name: str, *arguments: object) -> None:
        status = getattr(testing_library, name)(*arguments)
        if status:
            raise RefusedError(status, testing_library.lkt_error_message().decode())

    return call


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def sizes(values: tuple[int, ...]) -> ctypes.Array:
    return (ctypes.c_int64 * max(len(values), 1))(*values)


shapes = hnp.array_shapes(min_dims=1, max_dims=4, max_side=5)


@st.composite
def strided(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """(buffer, view of it): rows and planes padded, dimensions permuted, as hardware lays them out."""
    element = draw(st.sampled_from(ELEMENTS))
    shape = draw(shapes)
    padded = tuple(size + draw(st.integers(0, 3)) for size in shape)
    order = draw(st.permutations(range(len(shape))))
    if element.kind == "i":
        buffer = draw(hnp.arrays(element, padded))
    else:
        buffer = draw(hnp.arrays(element, padded, elements=st.floats(-1e4, 1e4, width=16)))
    view = buffer[tuple(slice(0, size) for size in shape)].transpose(order)
    return buffer, view


def from_array(core, buffer, element, shape, strides, spec_type, spec_shape) -> np.ndarray:
    values = np.zeros(spec_shape, spec_type)
    core(
        "lkt_from_multi_array",
        pointer(buffer),
        ctypes.c_size_t(buffer.nbytes),
        ELEMENTS.index(element),
        sizes(shape),
        sizes(strides),
        ctypes.c_size_t(len(shape)),
        TENSORS.index(spec_type),
        sizes(spec_shape),
        ctypes.c_size_t(len(spec_shape)),
        pointer(values),
    )
    return values


def tensor_type(element: np.dtype) -> np.dtype:
    return TENSORS[element.kind == "i"]


@settings(max_examples=200, deadline=None)
@given(strided())
def test_arrays_with_strides_come_out_row_major(core, arrays):
    buffer, view = arrays
    strides = tuple(stride // buffer.itemsize for stride in view.strides)
    expected_type = tensor_type(buffer.dtype)
    actual = from_array(core, buffer, buffer.dtype, view.shape, strides, expected_type, view.shape)
    np.testing.assert_array_equal(actual, view.astype(expected_type))


@settings(max_examples=200, deadline=None)
@given(strided(), st.data())
def test_a_layout_that_leaves_its_memory_is_refused(core, arrays, data):
    """One byte less than the farthest element needs; the sanitizers see what this test cannot."""
    buffer, view = arrays
    strides = [stride // buffer.itemsize for stride in view.strides]
    farthest = sum((size - 1) * stride for size, stride in zip(view.shape, strides, strict=True))
    short = buffer.reshape(-1).view(np.uint8)[: (farthest + 1) * buffer.itemsize - 1]
    arguments = (buffer.dtype, view.shape, tuple(strides), tensor_type(buffer.dtype), view.shape)
    with pytest.raises(RefusedError, match="shorter than its strides"):
        from_array(core, short, *arguments)
    d = data.draw(st.integers(0, len(strides) - 1))
    strides[d] = data.draw(st.sampled_from([-1, 2**62, 2**63 - 1, -(2**63)]))
    arguments = (buffer.dtype, view.shape, tuple(strides), tensor_type(buffer.dtype), view.shape)
    if view.shape[d] > 1 or strides[d] < 0:
        with pytest.raises(RefusedError, match="shorter than its strides"):
            from_array(core, buffer, *arguments)


def test_arrays_of_another_shape_or_type_are_refused(core):
    buffer = np.zeros((2, 3), np.float32)
    f32, i64 = TENSORS
    for shape, strides, spec_type, spec_shape, message in (
        ((2, 3), (3, 1), f32, (3, 2), "another shape"),
        ((2, 3), (3, 1), f32, (2, 3, 1), "another shape"),
        ((6,), (1,), f32, (2, 3), "another shape"),
        ((2, 3), (3, 1), i64, (2, 3), "of float32"),
    ):
        with pytest.raises(RefusedError, match=message) as caught:
            from_array(core, buffer, buffer.dtype, shape, strides, spec_type, spec_shape)
        assert caught.value.args[0] == CORRUPT


def to_array(core, values: np.ndarray, element: np.dtype) -> np.ndarray:
    array = np.zeros(values.shape, element)
    core(
        "lkt_to_multi_array",
        pointer(values),
        TENSORS.index(values.dtype),
        sizes(values.shape),
        ctypes.c_size_t(values.ndim),
        ELEMENTS.index(element),
        pointer(array),
    )
    return array


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(ELEMENTS))
def test_to_an_array_and_back(testing_library, core, data, element):
    """Exact but for float16, which is numpy's; back, it is what the array holds."""
    kind = tensor_type(element)
    elements = st.integers(-(2**31), 2**31 - 1) if kind.kind == "i" else st.floats(-6e4, 6e4, width=32)
    values = data.draw(hnp.arrays(kind, shapes, elements=elements))
    array = to_array(core, values, element)
    np.testing.assert_array_equal(array, values.astype(element))
    strides = (ctypes.c_int64 * values.ndim)()
    testing_library.lkt_contiguous_strides(sizes(values.shape), ctypes.c_size_t(values.ndim), strides)
    assert list(strides) == [stride // array.itemsize for stride in np.zeros(values.shape, element).strides]
    back = from_array(core, array, element, values.shape, tuple(strides), kind, values.shape)
    np.testing.assert_array_equal(back, array.astype(kind))


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**63 - 1, -(2**63)])
def test_a_token_id_beyond_int32_is_refused(core, value):
    with pytest.raises(RefusedError, match=f"the token id {value} is beyond") as caught:
        to_array(core, np.array([0, value]), ELEMENTS[3])
    assert caught.value.args[0] == INTERNAL


def core_name(library: ctypes.CDLL, tensor: str) -> str:
    name = ctypes.create_string_buffer(len(tensor.encode()) + 1)
    library.lkt_feature_name(tensor.encode(), name)
    return name.value.decode()


@pytest.mark.parametrize(
    ("tensor", "name"),
    [
        ("x_t.train", "x_t_train"),
        ("d:K0.train", "d_K0_train"),
        ("down_blocks.0.attn2.to_k.lora_A.weight", "down_blocks_0_attn2_to_k_lora_A_weight"),
        ("Z9-a b/c", "Z9_a_b_c"),
        ("é:猫", "___"),
        ("", ""),
    ],
)
def test_names_of_features(testing_library, tensor, name):
    assert core_name(testing_library, tensor) == name


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), max_size=30))
def test_every_other_character_is_an_underscore(testing_library, tensor):
    """The rule of docs/bundle.md, by which the exporter goes too."""
    assert core_name(testing_library, tensor) == re.sub("[^A-Za-z0-9_]", "_", tensor)


F16, F32, F64, I32, UNKNOWN = 0, 1, 2, 3, -1
Feature = tuple[str, int, int]
"""Name, element type, and the first of its two sizes; 0 where the model does not say a shape."""


def match(core, tensors: list[tuple[str, int]], features: list[Feature]) -> list[int]:
    found = (ctypes.c_int * (len(tensors) + 1))()
    core(
        "lkt_match_features",
        (ctypes.c_char_p * len(tensors))(*(name.encode() for name, _ in tensors)),
        (ctypes.c_int * len(tensors))(*(kind for _, kind in tensors)),
        ctypes.c_size_t(len(tensors)),
        (ctypes.c_char_p * len(features))(*(name.encode() for name, _, _ in features)),
        (ctypes.c_int * len(features))(*(element for _, element, _ in features)),
        sizes(tuple(size for _, _, size in features)),
        ctypes.c_size_t(len(features)),
        found,
    )
    return list(found)[: len(tensors)]


IDS, HIDDEN = ("token_ids", 1), ("d:hidden", 0)


def test_features_are_found_by_name_whatever_their_order(core):
    features = [("d_hidden", F16, 2), ("token_ids", I32, 0)]
    assert match(core, [IDS, HIDDEN], features) == [I32, F16]
    assert match(core, [HIDDEN, IDS], features) == [F16, I32]
    assert match(core, [HIDDEN], [("d_hidden", F64, 2)]) == [F64]


@pytest.mark.parametrize(
    ("tensors", "features", "message"),
    [
        ([IDS, HIDDEN], [("token_ids", I32, 2)], r'input d_hidden \("d:hidden"\) is missing'),
        ([IDS], [("token_ids", I32, 2), ("mask", F32, 2)], 'further input "mask"'),
        ([IDS], [("Token_ids", I32, 2)], "token_ids .* is missing"),
        ([HIDDEN], [("d_hidden", F32, 4)], "another shape"),
        ([HIDDEN], [("d_hidden", I32, 2)], "another type"),
        ([HIDDEN], [("d_hidden", UNKNOWN, 0)], "another type"),
        ([IDS], [("token_ids", F32, 2)], "another type"),
        ([HIDDEN, ("d.hidden", 0)], [("d_hidden", F32, 2)], "meant twice"),
    ],
)
def test_features_that_are_not_the_manifests_are_named(core, tensors, features, message):
    with pytest.raises(RefusedError, match=message) as caught:
        match(core, tensors, features)
    assert caught.value.args[0] == CORRUPT
    assert "m/unet.mlpackage does not match the manifest" in caught.value.args[1]


def compiled(folder: Path, content: str) -> Path:
    """A folder with something in it, as a compiled model is."""
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "weight.bin").write_text(content)
    return folder


def keep(core, source: Path, target: Path) -> None:
    core("lkt_keep_compiled_model", os.fsencode(source), os.fsencode(target))


def test_a_compiled_model_is_kept_as_a_whole(testing_library, core, tmp_path):
    path = ctypes.create_string_buffer(1000)
    testing_library.lkt_compiled_model_path(os.fsencode(tmp_path / "cache"), b"ab" * 32, path)
    target = Path(os.fsdecode(path.value))
    assert target == tmp_path / "cache" / f"{'ab' * 32}.mlmodelc"
    keep(core, compiled(tmp_path / "temporary", "first"), target)
    assert (target / "weights" / "weight.bin").read_text() == "first"
    assert not (tmp_path / "temporary").exists()


def test_the_first_of_two_processes_wins(core, tmp_path):
    target = compiled(tmp_path / "cache" / "a.mlmodelc", "first")
    keep(core, compiled(tmp_path / "temporary", "second"), target)
    assert (target / "weights" / "weight.bin").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.skipif(
    not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == Path("/tmp").stat().st_dev,
    reason="needs a second file system at /dev/shm",
)
def test_from_another_volume_it_is_copied_and_then_renamed(core, tmp_path):
    elsewhere = Path("/dev/shm") / f"likeness-test-{os.getpid()}"
    try:
        keep(core, compiled(elsewhere, "far"), tmp_path / "cache" / "a.mlmodelc")
    finally:
        shutil.rmtree(elsewhere, ignore_errors=True)
    assert (tmp_path / "cache" / "a.mlmodelc" / "weights" / "weight.bin").read_text() == "far"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["a.mlmodelc"]
    assert not elsewhere.exists()


def test_a_cache_that_cannot_be_written_is_an_error(core, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RefusedError, match="cannot keep the compiled model") as caught:
        keep(core, compiled(tmp_path / "temporary", "x"), tmp_path / "file" / "a.mlmodelc")
    assert caught.value.args[0] == IO


RUNTIME = Path(__file__).resolve().parent.parent / "device_runtime"


@pytest.mark.skipif(shutil.which("clang++") is None, reason="needs clang++, the compiler with Objective-C++")
@pytest.mark.parametrize("source", sorted(path.name for path in RUNTIME.glob("src/*.mm")))
def test_the_back_end_is_well_formed(source):
    """Syntax and types of the Objective-C++, against declarations written from Apple's documentation.

    Neither Apple's headers nor Core ML are here: this finds a misspelt call, not a misunderstood one.
    """
    language = ["-x", "objective-c++", "-std=c++17", "-fobjc-arc", "-fblocks", "-fobjc-runtime=gnustep-2.0"]
    done = subprocess.run(
        [
            *("clang++", *language, "-Wall", "-Wextra", "-Werror", "-fsyntax-only"),
            *("-isystem", str(RUNTIME / "testing" / "apple_declarations"), "-I", str(RUNTIME / "src")),
            str(RUNTIME / "src" / source),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
