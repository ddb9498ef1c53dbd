"""Fréchet and kernel distances and cosines against other computations of the same."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from server_distill.evaluation.image_scores import (
    cosines,
    frechet_distance,
    kid,
    kid_subset_size,
    mean_cosine,
    squared_mmd,
)


def features(n: int, width: int, seed: int, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn((width, width), generator=generator)
    return torch.randn((n, width), generator=generator) @ mix / math.sqrt(width) + shift


def frechet_by_scipy(a: Tensor, b: Tensor) -> float:
    x, y = a.double().numpy(), b.double().numpy()
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(cov_x @ cov_y).real
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cov_x + cov_y - 2 * root))


@pytest.mark.parametrize(("n", "m"), [(60, 45), (60, 9), (9, 60), (12, 12)])
def test_frechet_distance_is_scipys(n: int, m: int) -> None:
    """More pictures than dimensions, and fewer, where scipy takes the root of a singular matrix."""
    a, b = features(n, 12, 1), features(m, 12, 2, shift=0.3)
    exact = min(n, m) > 12
    assert frechet_distance(a, b) == pytest.approx(frechet_by_scipy(a, b), rel=1e-9 if exact else 1e-4)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-12)


def test_frechet_distance_of_few_pictures_in_many_dimensions() -> None:
    a = features(6, 300, 3)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a.flip(0) + 2) == pytest.approx(300 * 4, rel=1e-6)
    # Features on axes that the other set has not: nothing of the covariances overlaps.
    b, c = torch.zeros(6, 300), torch.zeros(5, 300)
    b[:, :3], c[:, 3:6] = features(6, 3, 4), features(5, 3, 5)
    means = (b.mean(0) - c.mean(0)).square().sum()
    assert frechet_distance(b, c) == pytest.approx(float(means + b.var(0).sum() + c.var(0).sum()), rel=1e-5)


def test_frechet_distance_of_one_dimension() -> None:
    """(μ − μ')² + (σ − σ')²."""
    a, b = torch.tensor([[0.0], [2.0], [4.0]]), torch.tensor([[1.0], [2.0]])
    assert frechet_distance(a, b) == pytest.approx(0.5**2 + (2 - math.sqrt(0.5)) ** 2)


def mmd_by_loops(x: Tensor, y: Tensor) -> float:
    rows_x, rows_y = x.double().tolist(), y.double().tolist()

    def kernel(a: list[float], b: list[float]) -> float:
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def within(rows: list[list[float]]) -> float:
        pairs = [kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
        return sum(pairs) / len(pairs)

    across = [kernel(a, b) for a in rows_x for b in rows_y]
    return within(rows_x) + within(rows_y) - 2 * sum(across) / len(across)


def test_squared_mmd_is_the_double_loops() -> None:
    x, y = features(7, 5, 1), features(4, 5, 2, shift=1.0)
    assert squared_mmd(x, y) == pytest.approx(mmd_by_loops(x, y), rel=1e-9)


def test_squared_mmd_is_unbiased() -> None:
    """The mean over every sample that two small distributions can give is exactly their distance."""
    p, q = [-1.0, 0.0, 2.0], [0.0, 1.0]

    def expected(a: list[float], b: list[float]) -> float:
        return float(np.mean([(x * y + 1) ** 3 for x in a for y in b]))

    truth = expected(p, p) + expected(q, q) - 2 * expected(p, q)
    estimates = [
        squared_mmd(torch.tensor(x)[:, None], torch.tensor(y)[:, None])
        for x in itertools.product(p, repeat=3)
        for y in itertools.product(q, repeat=2)
    ]
    assert np.mean(estimates) == pytest.approx(truth, rel=1e-9)
    assert min(estimates) < 0


def test_kid_is_the_mean_over_subsets() -> None:
    a, b = features(40, 8, 1), features(30, 8, 1, shift=0.7)
    mean, deviation = kid(a, b)
    assert (mean, deviation) == kid(a, b)
    assert mean == pytest.approx(squared_mmd(a, b), abs=4 * deviation / math.sqrt(100) + 0.1 * abs(mean))
    assert deviation > 0
    assert kid(a, b, seed=1) != (mean, deviation)
    near, spread = kid(a, features(30, 8, 1))
    assert abs(near) < 2 * spread < mean
    assert [kid_subset_size(*sizes) for sizes in ((40, 30), (2, 9), (9000, 5000))] == [15, 2, 1000]


@pytest.mark.parametrize("distance", [frechet_distance, kid])
def test_one_picture_has_no_spread(distance: object) -> None:
    with pytest.raises(ValueError, match="not 1 and 3"):
        distance(torch.zeros(1, 4), torch.zeros(3, 4))  # type: ignore[operator]


def test_cosines() -> None:
    a, b = torch.tensor([[1.0, 0.0], [0.0, 5.0]]), torch.tensor([[2.0, 0.0], [1.0, 1.0], [-3.0, 0.0]])
    half = math.sqrt(0.5)
    assert cosines(a, b).tolist() == pytest.approx([half / 3, half / 3])
    assert mean_cosine(a, b[:1]) == pytest.approx(0.5)
