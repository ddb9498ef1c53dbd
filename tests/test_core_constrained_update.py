"""Merging's closed form, of Python and of the C++ core: against the optimality conditions, and against each other."""

from __future__ import annotations

import ctypes
from ctypes import c_int64, c_size_t, c_void_p
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from server_distill.personalization.constrained_update import (
    RIDGE,
    DependentTargetError,
    constrained_directions,
    constrained_weights,
)

Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def core(testing_library: ctypes.CDLL) -> ctypes.CDLL:
    function = testing_library.lkt_constrained_update
    function.argtypes = [
        c_void_p,
        c_size_t,
        c_void_p,
        c_size_t,
        c_size_t,
        c_void_p,
        c_void_p,
        c_size_t,
        *[c_void_p] * 2,
    ]
    function.restype = c_int64
    return testing_library


class Problem:
    """Random text states and matrices: r captions' states, s targets of which the last `slack` may be missed."""

    def __init__(self, seed: int, d: int, r: int, s: int, slack: int, c: int = 5) -> None:
        generator = np.random.default_rng(seed)
        self.regularization = generator.standard_normal((r, d)).astype(np.float32)
        self.targets: Floats = generator.standard_normal((s, d))
        self.values: Floats = generator.standard_normal((s, c))
        self.base = generator.standard_normal((c, d)).astype(np.float32)
        self.slack = np.where(np.arange(s) < s - slack, 0.0, 0.1)

    @property
    def gram(self) -> Floats:
        """With the ridge, and of no captions the identity."""
        states = self.regularization.astype(np.float64)
        gram, d = states.T @ states, states.shape[1]
        return gram + (RIDGE * np.trace(gram) / d if len(states) else 1.0) * np.eye(d)

    def python(self) -> tuple[Floats, Floats]:
        """W and the directions."""
        states = torch.from_numpy(self.regularization).double()
        targets = torch.from_numpy(self.targets)
        directions = constrained_directions(states.T @ states, targets, torch.from_numpy(self.slack))
        weights = constrained_weights(torch.from_numpy(self.base), targets, torch.from_numpy(self.values), directions)
        return weights.numpy(), directions.numpy()

    def core(self, core: ctypes.CDLL) -> tuple[int, npt.NDArray[np.float32]]:
        """The dependent target or -1, and W."""
        updated = np.full_like(self.base, np.nan)
        (r, d), s, c = self.regularization.shape, len(self.targets), len(self.base)
        arrays = (self.regularization, self.targets, self.slack, self.base, self.values, updated)
        states, targets, slack, base, values, out = (array.ctypes.data for array in arrays)
        dependent = core.lkt_constrained_update(states, r, targets, s, d, slack, base, c, values, out)
        return int(dependent), updated

    def oracle(self) -> Floats:
        """The stationary point of the Lagrangian, row by row: one symmetric linear system, no closed form."""
        met = self.slack == 0
        overlaps = self.targets @ np.linalg.inv(self.gram) @ self.targets.T
        near, weights = self.targets[~met], 1 / (self.slack * np.diag(overlaps))[~met]
        hessian = self.gram + near.T @ (weights[:, None] * near)
        must = self.targets[met]
        system = np.block([[hessian, must.T], [must, np.zeros((len(must), len(must)))]])
        linear = self.gram @ self.base.T.astype(np.float64) + near.T @ (weights[:, None] * self.values[~met])
        solution = np.linalg.solve(system, np.concatenate([linear, self.values[met]]))
        return solution[: self.targets.shape[1]].T


PROBLEMS = st.integers(2, 24).flatmap(
    lambda d: st.builds(
        Problem,
        seed=st.integers(0, 2**32 - 1),
        d=st.just(d),
        r=st.sampled_from([0, 1, d // 2, 4 * d]),
        s=st.integers(1, max(1, d // 2)),
        slack=st.just(0),
    )
)


@settings(max_examples=100, deadline=None)
@given(PROBLEMS)
def test_words_are_met_and_other_directions_kept(problem: Problem) -> None:
    weights, _ = problem.python()
    # The ridge bounds the Gram matrix's condition by 1e3 d, and double has 1e-16 to lose it from.
    np.testing.assert_allclose(weights @ problem.targets.T, problem.values.T, atol=1e-7)
    # What no target reaches, in the metric of the captions, W does as W0 does.
    reached = problem.targets @ np.linalg.inv(problem.gram)
    _, _, basis = np.linalg.svd(reached)
    free = basis[len(reached) :]
    np.testing.assert_allclose(weights @ free.T, problem.base.astype(np.float64) @ free.T, atol=1e-7)


@settings(max_examples=100, deadline=None)
@given(PROBLEMS)
def test_the_least_squares_are_least(problem: Problem) -> None:
    """Every other matrix that meets the words changes the captions more."""
    weights, _ = problem.python()
    change = weights - problem.base
    cost = np.trace(change @ problem.gram @ change.T)
    _, _, basis = np.linalg.svd(problem.targets)
    free = basis[len(problem.targets) :]
    generator = np.random.default_rng(0)
    for scale in (1e-2, 1.0):
        other = change + scale * generator.standard_normal((len(change), len(free))) @ free
        assert np.trace(other @ problem.gram @ other.T) >= cost * (1 - 1e-6)


@pytest.mark.parametrize("captions", [0, 3, 60])
@pytest.mark.parametrize("slack", [0, 2, 4, 30])
def test_equals_the_optimality_conditions(captions: int, slack: int) -> None:
    """Also where slack targets are more than there are dimensions."""
    problem = Problem(1, d=16, r=captions, s=4 + slack, slack=slack)
    np.testing.assert_allclose(problem.python()[0], problem.oracle(), rtol=1e-7, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(PROBLEMS, st.integers(0, 12))
def test_the_core_equals_python(core: ctypes.CDLL, problem: Problem, slack: int) -> None:
    problem = Problem(slack, *problem.regularization.shape[::-1], len(problem.targets) + slack, slack)
    dependent, weights = problem.core(core)
    assert dependent == -1
    expected, _ = problem.python()
    # One rounding to float32, of values whose size is the largest's.
    np.testing.assert_allclose(weights, expected, rtol=2e-6, atol=2e-6 * float(np.abs(expected).max()))


def test_a_change_of_nothing_is_nothing(core: ctypes.CDLL) -> None:
    problem = Problem(3, d=12, r=40, s=9, slack=5)
    problem.values = problem.targets @ problem.base.T.astype(np.float64)
    _, weights = problem.core(core)
    assert (weights == problem.base).all() or np.abs(weights - problem.base).max() < 1e-6
    np.testing.assert_allclose(problem.python()[0], problem.base, atol=1e-12)


def copied(problem: Problem) -> None:
    problem.targets[4] = problem.targets[1]


def scaled(problem: Problem) -> None:
    problem.targets[4] = -3 * problem.targets[1] + 1e-7 * problem.targets[4]


def summed(problem: Problem) -> None:
    problem.targets[4] = problem.targets[0] + problem.targets[3]


def zero(problem: Problem) -> None:
    problem.targets[4] = 0


def not_a_number(problem: Problem) -> None:
    problem.targets[4, 2] = np.nan


@pytest.mark.parametrize("change", [copied, scaled, summed, zero, not_a_number])
def test_a_target_that_depends_on_others_is_named(core: ctypes.CDLL, change: Any) -> None:
    problem = Problem(5, d=16, r=50, s=7, slack=0)
    change(problem)
    with pytest.raises(DependentTargetError) as caught:
        problem.python()
    assert caught.value.row == 4
    dependent, weights = problem.core(core)
    assert dependent == 4
    assert np.isnan(weights).all()


def test_more_words_than_dimensions_is_an_error(core: ctypes.CDLL) -> None:
    problem = Problem(6, d=5, r=50, s=8, slack=0)
    with pytest.raises(DependentTargetError) as caught:
        problem.python()
    assert caught.value.row == problem.core(core)[0] == 5
