"""AdamW and gradient clipping of the C++ core against PyTorch."""

from __future__ import annotations

import ctypes
import math
from ctypes import c_double, c_size_t, c_void_p

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core_arrays import Floats, pointers, sizes_of

INVALID_ARGUMENT, INTERNAL = 1, 11
SIZES = [17, 1, 256, 33]


@pytest.fixture(scope="module")
def core(testing_library: ctypes.CDLL) -> ctypes.CDLL:
    """The test library with argument types."""
    lib = testing_library
    numbers = [c_double] * 4
    lib.lkt_adamw_new.argtypes = [*numbers, c_void_p, c_size_t, c_void_p]
    lib.lkt_adamw_free.argtypes = [c_void_p]
    lib.lkt_adamw_free.restype = None
    lib.lkt_adamw_step.argtypes = [c_void_p, c_double, c_void_p, c_void_p, c_void_p, c_size_t]
    lib.lkt_adamw_resume.argtypes = [c_void_p, *numbers]
    lib.lkt_gradient_norm.argtypes = [c_void_p, c_void_p, c_size_t]
    lib.lkt_clip_factor.argtypes = [c_double, c_double]
    lib.lkt_gradient_norm.restype = lib.lkt_clip_factor.restype = c_double
    return lib


class CoreAdamW:
    """The C++ optimizer over a list of numpy arrays, updated in place."""

    def __init__(self, core: ctypes.CDLL, values: list[Floats], options: tuple[float, float, float, float]) -> None:
        self.core, self.values, self.options, self.handle = core, values, options, c_void_p()
        status = core.lkt_adamw_new(*options, sizes_of(values), len(values), ctypes.byref(self.handle))
        assert status == 0

    def step(self, learning_rate: float, gradients: list[Floats]) -> int:
        count = len(gradients)
        return int(
            self.core.lkt_adamw_step(
                *(self.handle, learning_rate, pointers(self.values), pointers(gradients)),
                *(sizes_of(gradients), count),
            )
        )

    def resume(self) -> None:
        assert self.core.lkt_adamw_resume(ctypes.byref(self.handle), *self.options) == 0

    def __del__(self) -> None:
        self.core.lkt_adamw_free(self.handle)


def random_tensors(rng: np.random.Generator, scale: float = 1.0) -> list[Floats]:
    return [(scale * rng.standard_normal(n)).astype(np.float32) for n in SIZES]


@pytest.mark.parametrize(
    ("learning_rate", "betas", "epsilon", "weight_decay", "gradient_scale"),
    [
        (1e-3, (0.9, 0.999), 1e-8, 1e-2, 1.0),
        (1e-5, (0.9, 0.999), 1e-8, 1e-2, 1e-3),
        (5e-3, (0.8, 0.95), 1e-6, 0.0, 10.0),
        (1e-2, (0.0, 0.99), 1e-8, 0.1, 1.0),
        (1e-3, (0.9, 0.999), 1e-4, 0.5, 1e-6),
        (1e-3, (0.3, 0.5), 1e-8, 1e-2, 1.0),
    ],
)
def test_hundred_steps_equal_torch(
    core: ctypes.CDLL,
    learning_rate: float,
    betas: tuple[float, float],
    epsilon: float,
    weight_decay: float,
    gradient_scale: float,
) -> None:
    rng = np.random.default_rng(0)
    values = random_tensors(rng, 0.1)
    parameters = [torch.nn.Parameter(torch.from_numpy(v.copy())) for v in values]
    oracle = torch.optim.AdamW(parameters, lr=learning_rate, betas=betas, eps=epsilon, weight_decay=weight_decay)
    ours = CoreAdamW(core, values, (*betas, epsilon, weight_decay))
    for step in range(100):
        gradients = random_tensors(rng, gradient_scale)
        rate = learning_rate * (1 - step / 200)
        oracle.param_groups[0]["lr"] = rate
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = torch.from_numpy(gradient)
        oracle.step()
        assert ours.step(rate, gradients) == 0
        for value, parameter in zip(values, parameters, strict=True):
            # Both in float32; the order of a few multiplications differs by an ulp of |value| <= 1.
            np.testing.assert_allclose(value, parameter.detach().numpy(), rtol=0, atol=1e-6)


def test_resumed_state_goes_on_with_the_same_bytes(core: ctypes.CDLL) -> None:
    runs = []
    for resume_at in (None, 0, 7, 19):
        rng = np.random.default_rng(3)
        values = random_tensors(rng)
        optimizer = CoreAdamW(core, values, (0.9, 0.999, 1e-8, 1e-2))
        for step in range(20):
            if step == resume_at:
                optimizer.resume()
            assert optimizer.step(1e-3, random_tensors(rng)) == 0
        runs.append(b"".join(v.tobytes() for v in values))
    assert len(set(runs)) == 1


def test_other_tensors_and_bad_settings_are_errors(core: ctypes.CDLL) -> None:
    values = random_tensors(np.random.default_rng(1))
    before = [v.copy() for v in values]
    optimizer = CoreAdamW(core, values, (0.9, 0.999, 1e-8, 1e-2))
    assert optimizer.step(1e-3, before[:-1]) == INTERNAL
    assert optimizer.step(1e-3, before[::-1]) == INTERNAL
    assert all((a == b).all() for a, b in zip(values, before, strict=True))
    handle = c_void_p()
    nan = float("nan")
    for options in (
        *((1.0, 0.999, 1e-8, 0.0), (0.9, 1.0, 1e-8, 0.0), (-0.1, 0.9, 1e-8, 0.0)),
        *((0.9, 0.999, 0.0, 0.0), (0.9, 0.999, 1e-8, -1.0), (nan, 0.9, 1e-8, 0.0)),
    ):
        status = core.lkt_adamw_new(*options, (c_size_t * 1)(1), 1, ctypes.byref(handle))
        assert status == INVALID_ARGUMENT


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6), st.floats(1e-3, 100.0))
def test_clipping_equals_torch(core: ctypes.CDLL, seed: int, gradient_scale: float, max_norm: float) -> None:
    gradients = random_tensors(np.random.default_rng(seed), gradient_scale)
    parameters = [torch.nn.Parameter(torch.zeros(n)) for n in SIZES]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = torch.from_numpy(gradient.copy())
    expected = float(torch.nn.utils.clip_grad_norm_(parameters, max_norm))
    norm = core.lkt_gradient_norm(pointers(gradients), sizes_of(gradients), len(gradients))
    factor = core.lkt_clip_factor(norm, max_norm)
    assert norm == pytest.approx(expected, rel=1e-6)  # torch sums in float32
    for parameter, gradient in zip(parameters, gradients, strict=True):
        assert parameter.grad is not None
        np.testing.assert_allclose(gradient * np.float32(factor), parameter.grad.numpy(), rtol=2e-6, atol=0)


def test_norm_of_nothing_and_of_what_is_not_finite(core: ctypes.CDLL) -> None:
    zero = [np.zeros(5, np.float32)]
    assert core.lkt_gradient_norm(pointers(zero), sizes_of(zero), 1) == 0.0
    assert core.lkt_clip_factor(0.0, 1.0) == 1.0
    for bad in (np.nan, np.inf):
        gradients = [np.array([1.0, bad], np.float32)]
        norm = core.lkt_gradient_norm(pointers(gradients), sizes_of(gradients), 1)
        assert not math.isfinite(norm)
