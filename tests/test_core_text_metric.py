"""The metric that keeps captions' keys and values, against its definition in numpy."""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_size_t, c_void_p

import numpy as np
import numpy.typing as npt
import pytest
import torch

from server_distill.training.matrix_optimizers import orthogonalized
from tests.core_arrays import Floats, pointers, sizes_of

WIDTH = 24
Doubles = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def core(testing_library: ctypes.CDLL) -> ctypes.CDLL:
    """The test library with argument types."""
    lib = testing_library
    lib.lkt_text_metric.argtypes = [
        *(c_void_p, c_size_t, c_double, c_void_p, c_size_t, c_void_p, c_void_p),
    ]
    lib.lkt_muon_new.argtypes = [c_double, c_double, c_void_p, c_size_t, c_void_p]
    lib.lkt_muon_free.argtypes = [c_void_p]
    lib.lkt_muon_free.restype = None
    lib.lkt_muon_step_in_metric.argtypes = [
        *(c_void_p, c_double, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, c_double),
    ]
    return lib


@pytest.fixture
def states() -> Doubles:
    """Text states (200, WIDTH) as they are: most of each is common to all, and some directions hardly occur."""
    rng = np.random.default_rng(4)
    spread = rng.standard_normal((200, WIDTH)) * np.geomspace(1, 1e-3, WIDTH)
    return 2 * rng.standard_normal(WIDTH) + spread @ np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0]


def inverse_metric(gram: Doubles, weight: float) -> Doubles:
    """(I + weight A)^-1, A of a mean eigenvalue of 1."""
    scaled = gram * (WIDTH / np.trace(gram)) if gram.any() else gram
    return np.linalg.inv(np.eye(WIDTH) + weight * scaled)


def root(matrix: Doubles) -> Doubles:
    """The symmetric square root."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values)) @ vectors.T


def muon_step(core: ctypes.CDLL, gradients: list[Floats], gram: Doubles, weight: float, rate: float) -> list[Floats]:
    """What one step without momentum adds to zeros."""
    values, handle = [np.zeros_like(g) for g in gradients], c_void_p()
    sides = [side for g in gradients for side in g.shape]
    assert core.lkt_muon_new(0.0, 0.0, (c_size_t * len(sides))(*sides), len(gradients), ctypes.byref(handle)) == 0
    tensors = (pointers(values), pointers(gradients), sizes_of(gradients), len(gradients))
    assert core.lkt_muon_step_in_metric(handle, rate, *tensors, gram.ctypes.data, WIDTH, weight) == 0
    core.lkt_muon_free(handle)
    return values


@pytest.mark.parametrize("weight", [0.0, 10.0, 1e4])
def test_there_and_back_is_the_inverse_metric(core: ctypes.CDLL, states: Doubles, weight: float) -> None:
    gram = np.ascontiguousarray(states.T @ states)
    gradient = np.random.default_rng(1).standard_normal((7, WIDTH)).astype(np.float32)
    there, back = np.empty_like(gradient), np.empty_like(gradient)
    arguments = (gram.ctypes.data, WIDTH, weight, gradient.ctypes.data, 7, there.ctypes.data, back.ctypes.data)
    assert core.lkt_text_metric(*arguments) == 0
    # float32 products of a double's factor
    np.testing.assert_allclose(back, gradient @ inverse_metric(gram, weight), rtol=0, atol=2e-5)
    if weight == 0:
        np.testing.assert_array_equal(there, gradient)


def test_without_captions_nothing_is_held(core: ctypes.CDLL) -> None:
    gradient = [np.random.default_rng(2).standard_normal((9, WIDTH)).astype(np.float32)]
    nothing = np.zeros((WIDTH, WIDTH))
    held, free = (muon_step(core, gradient, nothing, weight, 0.1)[0] for weight in (10.0, 0.0))
    np.testing.assert_array_equal(held, free)


@pytest.mark.parametrize("rows", [9, WIDTH, 40])
def test_a_step_is_muons_in_the_metric_whatever_its_factor(core: ctypes.CDLL, states: Doubles, rows: int) -> None:
    """The oracle takes the symmetric root for S: orthogonal steps do not see the difference."""
    gram = np.ascontiguousarray(states.T @ states)
    gradient = np.random.default_rng(3).standard_normal((rows, WIDTH)).astype(np.float32)
    half = root(inverse_metric(gram, 10.0))
    orthogonal = orthogonalized(torch.from_numpy(gradient @ half), (3.4445, -4.7750, 2.0315), 5, 1e-7).numpy()
    expected = -0.1 * 0.2 * max(rows, WIDTH) ** 0.5 * orthogonal @ half
    (moved,) = muon_step(core, [gradient], gram, 10.0, 0.1)
    # The iteration's float32 (tests/test_core_muon.py) at this rate
    np.testing.assert_allclose(moved, expected, rtol=0, atol=2e-4 * 0.1)


def test_what_captions_say_changes_less_than_what_none_says(core: ctypes.CDLL, states: Doubles) -> None:
    gram = np.ascontiguousarray(states.T @ states)
    gradient = np.random.default_rng(5).standard_normal((16, WIDTH)).astype(np.float32)
    (held,), (free,) = (muon_step(core, [gradient], gram, weight, 0.1) for weight in (100.0, 0.0))
    rare = np.linalg.eigh(gram)[1][:, 0]
    assert np.linalg.norm(states @ held.T) < 0.25 * np.linalg.norm(states @ free.T)
    assert np.linalg.norm(held @ rare) > 0.5 * np.linalg.norm(free @ rare)


def test_other_widths_are_left_as_they_are(core: ctypes.CDLL, states: Doubles) -> None:
    """LoRA's second matrix does not read text states."""
    gram = np.ascontiguousarray(states.T @ states)
    gradient = [np.random.default_rng(6).standard_normal((12, 4)).astype(np.float32)]
    held, free = (muon_step(core, gradient, gram, weight, 0.1)[0] for weight in (10.0, 0.0))
    np.testing.assert_array_equal(held, free)
