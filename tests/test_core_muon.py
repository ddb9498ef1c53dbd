"""Muon of the C++ core against PyTorch's, whose products are made float32 here: torch multiplies in bf16."""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_size_t, c_void_p

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import _muon

from server_distill.training.matrix_optimizers import orthogonalized
from tests.core_arrays import Floats, pointers, sizes_of

INVALID_ARGUMENT, INTERNAL = 1, 11
SHAPES = [(8, 24), (24, 8), (17, 17), (1, 5), (33, 6)]
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
Options = tuple[float, float]


@pytest.fixture(scope="module")
def core(testing_library: ctypes.CDLL) -> ctypes.CDLL:
    """The test library with argument types."""
    lib = testing_library
    lib.lkt_orthogonalize.argtypes = [c_void_p, c_size_t, c_size_t]
    lib.lkt_muon_new.argtypes = [c_double, c_double, c_void_p, c_size_t, c_void_p]
    lib.lkt_muon_free.argtypes = [c_void_p]
    lib.lkt_muon_free.restype = None
    lib.lkt_muon_step.argtypes = [c_void_p, c_double, c_void_p, c_void_p, c_void_p, c_size_t]
    lib.lkt_muon_resume.argtypes = [c_void_p, c_double, c_double, c_void_p, c_size_t]
    return lib


def sides_of(arrays: list[Floats]) -> ctypes.Array[c_size_t]:
    sides = [side for a in arrays for side in a.shape]
    return (c_size_t * len(sides))(*sides)


class CoreMuon:
    """The C++ optimizer over a list of matrices, updated in place."""

    def __init__(self, core: ctypes.CDLL, values: list[Floats], options: Options) -> None:
        self.core, self.values, self.options, self.handle = core, values, options, c_void_p()
        assert core.lkt_muon_new(*options, sides_of(values), len(values), ctypes.byref(self.handle)) == 0

    def step(self, learning_rate: float, gradients: list[Floats]) -> int:
        tensors = (pointers(self.values), pointers(gradients), sizes_of(gradients), len(gradients))
        return int(self.core.lkt_muon_step(self.handle, learning_rate, *tensors))

    def resume(self) -> None:
        sides = sides_of(self.values)
        assert self.core.lkt_muon_resume(ctypes.byref(self.handle), *self.options, sides, len(self.values)) == 0

    def __del__(self) -> None:
        self.core.lkt_muon_free(self.handle)


def random_matrices(rng: np.random.Generator, scale: float = 1.0) -> list[Floats]:
    return [(scale * rng.standard_normal(shape)).astype(np.float32) for shape in SHAPES]


def orthogonal(core: ctypes.CDLL, matrix: Floats) -> Floats:
    out = np.ascontiguousarray(matrix.copy())
    assert core.lkt_orthogonalize(out.ctypes.data, *out.shape) == 0
    return out


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6))
def test_orthogonalizing_equals_the_iteration_in_torch(
    core: ctypes.CDLL, rows: int, columns: int, seed: int, scale: float
) -> None:
    matrix = (scale * np.random.default_rng(seed).standard_normal((rows, columns))).astype(np.float32)
    expected = orthogonalized(torch.from_numpy(matrix).double(), COEFFICIENTS, 5, 1e-7).numpy()
    # Five steps of a polynomial that is as steep as 3.4 at 0 carry a rounding of 1e-7 to a few times 1e-5.
    np.testing.assert_allclose(orthogonal(core, matrix), expected, rtol=0, atol=2e-4)


def test_singular_values_come_near_one_and_singular_vectors_stay(core: ctypes.CDLL) -> None:
    rng = np.random.default_rng(5)
    u, v = (np.linalg.qr(rng.standard_normal((32, 32)))[0] for _ in range(2))
    matrix = (u * np.geomspace(1.0, 0.03, 32)) @ v.T
    out = orthogonal(core, matrix.astype(np.float32))
    inner = u.T @ out @ v
    # Jordan et al. 2024: the iteration ends between 0.7 and 1.2.
    assert np.diag(inner).min() > 0.65 and np.diag(inner).max() < 1.25
    assert np.abs(inner - np.diag(np.diag(inner))).max() < 1e-3
    assert not orthogonal(core, np.zeros((3, 4), np.float32)).any()


@pytest.mark.parametrize(
    ("learning_rate", "momentum", "weight_decay", "gradient_scale"),
    [(2e-2, 0.9, 0.0, 1.0), (1e-3, 0.95, 1e-2, 1e-4), (5e-2, 0.0, 0.1, 100.0)],
)
def test_thirty_steps_equal_torch(
    core: ctypes.CDLL,
    monkeypatch: pytest.MonkeyPatch,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
    gradient_scale: float,
) -> None:
    monkeypatch.setattr(_muon, "_zeropower_via_newtonschulz", orthogonalized)
    rng = np.random.default_rng(0)
    values = random_matrices(rng, 0.1)
    parameters = [torch.nn.Parameter(torch.from_numpy(v.copy())) for v in values]
    oracle = torch.optim.Muon(
        parameters, learning_rate, weight_decay, momentum=momentum, adjust_lr_fn="match_rms_adamw"
    )
    ours = CoreMuon(core, values, (momentum, weight_decay))
    for step in range(30):
        gradients = random_matrices(rng, gradient_scale)
        rate = learning_rate * (1 - step / 60)
        oracle.param_groups[0]["lr"] = rate
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = torch.from_numpy(gradient)
        oracle.step()
        assert ours.step(rate, gradients) == 0
        for value, parameter in zip(values, parameters, strict=True):
            # An update's elements are off by 2e-4 of the rate at most (above), and thirty of them add up.
            np.testing.assert_allclose(value, parameter.detach().numpy(), rtol=0, atol=30 * 2e-4 * learning_rate)


def test_resumed_momentum_goes_on_with_the_same_bytes(core: ctypes.CDLL) -> None:
    runs = []
    for resume_at in (None, 0, 7, 19):
        rng = np.random.default_rng(3)
        values = random_matrices(rng)
        optimizer = CoreMuon(core, values, (0.9, 1e-2))
        for step in range(20):
            if step == resume_at:
                optimizer.resume()
            assert optimizer.step(1e-2, random_matrices(rng)) == 0
        runs.append(b"".join(v.tobytes() for v in values))
    assert len(set(runs)) == 1


def test_other_matrices_and_bad_settings_are_errors(core: ctypes.CDLL) -> None:
    values = random_matrices(np.random.default_rng(1))
    before = [v.copy() for v in values]
    optimizer = CoreMuon(core, values, (0.9, 1e-2))
    assert optimizer.step(1e-3, before[:-1]) == INTERNAL
    assert optimizer.step(1e-3, before[::-1]) == INTERNAL
    assert all((a == b).all() for a, b in zip(values, before, strict=True))
    handle = c_void_p()
    for options in ((1.0, 0.0), (-0.1, 0.0), (float("nan"), 0.0), (0.9, -1.0)):
        status = core.lkt_muon_new(*options, sides_of(values), len(values), ctypes.byref(handle))
        assert status == INVALID_ARGUMENT
