"""Lists of numpy arrays as the core's test functions take them."""

from __future__ import annotations

import ctypes
from ctypes import c_size_t, c_void_p

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def pointers(arrays: list[Floats]) -> ctypes.Array[c_void_p]:
    """float*[] over numpy arrays, which must outlive it."""
    return (c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])


def sizes_of(arrays: list[Floats]) -> ctypes.Array[c_size_t]:
    """How many numbers each has."""
    return (c_size_t * len(arrays))(*[a.size for a in arrays])
