"""The stage loop (docs/bundle.md, "Stages") against autograd, on a made-up network of three stages."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
import torch

NAMES = ("x_t", "t", "K0", "V0", "K1", "V1", "target", "weight")
PROGRAMS = 6  # a, b, out: forward and backward; out's forward serves denoise only


def run(library: ctypes.CDLL, inputs: dict[str, np.ndarray], budget: int, runs: int = 1):
    """Outputs loss, dK0, dV0, dK1, dV1, y; number of loads; most programs alive at once."""
    pointer = ctypes.POINTER(ctypes.c_float)
    outputs = [np.full(4, np.nan, np.float32) for _ in range(6)]
    ins = (pointer * 8)(*(inputs[name].ctypes.data_as(pointer) for name in NAMES))
    outs = (pointer * 6)(*(array.ctypes.data_as(pointer) for array in outputs))
    counts = (ctypes.c_int * 2)()
    library.lkt_error_message.restype = ctypes.c_char_p
    status = library.lkt_stages_run(ins, outs, ctypes.c_size_t(budget), runs, counts)
    assert status == 0, library.lkt_error_message()
    return outputs, counts[0], counts[1]


@pytest.fixture
def inputs() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {name: generator.normal(size=4).astype(np.float32) for name in NAMES}


def reference(inputs: dict[str, np.ndarray]) -> list[torch.Tensor]:
    v = {name: torch.tensor(array, requires_grad=True) for name, array in inputs.items()}
    h = v["x_t"] * v["K0"] + v["V0"]
    y = h * v["K1"] + v["V1"] + h + h * h
    loss = (v["weight"] * (y - v["target"]) ** 2).sum()
    gradients = torch.autograd.grad(loss, [v[name] for name in ("K0", "V0", "K1", "V1")])
    return [loss.detach().reshape(1), *gradients, y.detach()]


@pytest.mark.parametrize("budget", [0, 1, 250])
def test_staged_gradients_equal_autograd(testing_library, inputs, budget):
    """Also where a tensor is read by two stages, so that its gradients are summed; on any budget."""
    outputs, _, _ = run(testing_library, inputs, budget, runs=2)
    for actual, expected in zip(outputs, reference(inputs), strict=True):
        # A dozen float32 operations.
        np.testing.assert_allclose(actual[: len(expected)], expected, rtol=2e-6, atol=1e-6)


def test_without_a_limit_programs_load_once(testing_library, inputs):
    _, loads, alive = run(testing_library, inputs, budget=0, runs=3)
    assert (loads, alive) == (PROGRAMS, PROGRAMS)


def test_with_the_smallest_budget_one_program_is_alive(testing_library, inputs):
    """Staged execution: every stage is loaded, run and destroyed in turn."""
    _, loads, alive = run(testing_library, inputs, budget=1, runs=2)
    assert alive == 1
    assert loads == 2 * (5 + 3)


def test_what_fits_the_budget_stays(testing_library, inputs):
    """Programs count 100 bytes each: two stay, the others come and go."""
    _, loads, alive = run(testing_library, inputs, budget=250, runs=2)
    assert alive == 3
    assert PROGRAMS < loads < 2 * (5 + 3)
