"""float16 as the core converts it, bit by bit as numpy does."""

from __future__ import annotations

import ctypes

import numpy as np
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def to_float16(library: ctypes.CDLL, values: np.ndarray) -> np.ndarray:
    bits = np.zeros(values.shape, np.uint16)
    library.lkt_to_float16(pointer(values), ctypes.c_size_t(values.size), pointer(bits))
    return bits


def numpy_float16(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return values.astype(np.float16).view(np.uint16)


def assert_same_halves(actual: np.ndarray, values: np.ndarray) -> None:
    """Bit by bit; of a NaN only that it is one, and its sign: the rest is not said by the standard."""
    expected = numpy_float16(values)
    nan = np.isnan(values)
    np.testing.assert_array_equal(actual[~nan], expected[~nan])
    assert np.isnan(actual[nan].view(np.float16)).all()
    np.testing.assert_array_equal(actual[nan] >> 15, expected[nan] >> 15)


def test_every_float16_comes_out_exactly(testing_library):
    bits = np.arange(2**16, dtype=np.uint16)
    values = np.zeros(2**16, np.float32)
    testing_library.lkt_from_float16(pointer(bits), ctypes.c_size_t(bits.size), pointer(values))
    expected = bits.view(np.float16).astype(np.float32)
    nan = np.isnan(expected)
    np.testing.assert_array_equal(values[~nan].view(np.uint32), expected[~nan].view(np.uint32))
    assert np.isnan(values[nan]).all()
    assert_same_halves(to_float16(testing_library, values), values)  # and back again


def test_rounding_around_every_float16(testing_library):
    """Each number, the middle between it and the next, and the float32 numbers beside both: ties, carries, overflow."""
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    middles = (halves[:-1] + halves[1:]) / 2  # exact in float32
    top = np.float32([65504, 65519.996, 65520, 65536, 1e30, np.finfo(np.float32).max, np.inf])
    exact = np.concatenate([halves, middles, top])
    with np.errstate(over="ignore"):
        near = np.concatenate(
            [exact, np.nextafter(exact, np.float32(np.inf)), np.nextafter(exact, np.float32(-np.inf))]
        )
    values = np.concatenate([near, -near])
    assert_same_halves(to_float16(testing_library, values), values)


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.uint32, 64))
def test_any_bits_round_as_numpy_rounds_them(testing_library, bits):
    values = bits.view(np.float32)
    assert_same_halves(to_float16(testing_library, values), values)
