"""Scores of sets of pictures from their features: Fréchet distance, kernel distance, cosine.

Any network's features do; a score is named after its network where it is reported.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Fréchet distance (Heusel et al. 2017, section 2) between Gaussians fitted to features (N, D) and (M, D).

    |μa − μb|² + tr(Σa + Σb − 2·(Σa·Σb)^½). Raises ValueError for fewer than two rows.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a Fréchet distance needs two pictures on each side, not {len(a)} and {len(b)}")
    a, b = a.double(), b.double()
    root_a, root_b = _covariance_root(a), _covariance_root(b)
    # With Σ = RᵀR the root's trace is the sum of the singular values of Ra·Rbᵀ. The eigenvalues of Σa·Σb would need a
    # root, which makes rounding errors large where there are fewer pictures than dimensions.
    cross = torch.linalg.svdvals(root_a @ root_b.T).sum()
    spread = root_a.square().sum() + root_b.square().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + spread - 2 * cross)


def _covariance_root(features: Tensor) -> Tensor:
    """R with RᵀR = cov(features): at most (D, D), whatever the number of rows."""
    centred = (features - features.mean(0)) / math.sqrt(len(features) - 1)
    return torch.linalg.qr(centred, mode="r").R if len(centred) > centred.shape[1] else centred


def squared_mmd(x: Tensor, y: Tensor) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy of features (N, D), (M, D); it may be negative.

    Kernel (x·y/D + 1)³ (Bińkowski et al. 2018, section 4; the estimate is Gretton et al. 2012, lemma 6).
    """
    x, y = x.double(), y.double()
    n, m, width = len(x), len(y), x.shape[1]

    def kernel(left: Tensor, right: Tensor) -> Tensor:
        return (left @ right.T / width + 1) ** 3

    within_x, within_y = kernel(x, x), kernel(y, y)
    same = (within_x.sum() - within_x.trace()) / (n * (n - 1)) + (within_y.sum() - within_y.trace()) / (m * (m - 1))
    return float(same - 2 * kernel(x, y).mean())


def kid_subset_size(a: int, b: int, largest: int = 1000) -> int:
    """Half of the smaller set, so that subsets differ from one another, but at least 2 and at most `largest`."""
    return min(largest, max(2, min(a, b) // 2))


def kid(a: Tensor, b: Tensor, subsets: int = 100, seed: int = 0) -> tuple[float, float]:
    """Kernel Inception distance's estimator (Bińkowski et al. 2018) on features (N, D), (M, D): mean and standard
    deviation of `squared_mmd` over random subsets of `kid_subset_size`. Raises ValueError for fewer than two rows.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a kernel distance needs two pictures on each side, not {len(a)} and {len(b)}")
    size, generator = kid_subset_size(len(a), len(b)), torch.Generator().manual_seed(seed)

    def subset(rows: Tensor) -> Tensor:
        return rows[torch.randperm(len(rows), generator=generator)[:size]]

    values = torch.tensor([squared_mmd(subset(a), subset(b)) for _ in range(subsets)], dtype=torch.float64)
    return float(values.mean()), float(values.std())


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Mean cosine of each row of (N, D) with all rows of (M, D): (N,)."""
    return (normalize(a, dim=1) @ normalize(b, dim=1).T).mean(1)


def mean_cosine(a: Tensor, b: Tensor) -> float:
    """Mean cosine over all pairs of rows of two feature tables (N, D), (M, D)."""
    return float(cosines(a, b).mean())
