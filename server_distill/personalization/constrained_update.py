"""Custom Diffusion's constrained optimization (Kumari et al. 2023, section 3.2), in closed form.

The matrix that keeps what it did to regularization captions, and does to some words what is asked:

    W = argmin ‖W·C_regᵀ − W0·C_regᵀ‖_F  subject to  W·Cᵀ = Vᵀ

A word is a row, as everywhere here, so that C_reg is (r,d), C is (s,d) and V is (s,c). The core's
device_runtime/src/constrained_update.cpp is the same mathematics.
"""

from __future__ import annotations

import torch
from torch import Tensor

RIDGE = 1e-3
"""What is added to the eigenvalues of C_regᵀC_reg, as a share of the mean one. The final layer norm holds every text
state to one hyperplane: across it lies an eigenvalue that is next to nothing (1e-5 of the mean one, on the default
model's captions), and fewer captions than d leave more of them. Along those W would move far, as it costs nothing."""
DEPENDENT = 1e-8
"""Two words whose states, measured by d·Cᵀ, are at an angle of less than 1e-4 are one word to the model."""


class DependentTargetError(ValueError):
    """The target number `row` cannot be told from those before it."""

    def __init__(self, row: int) -> None:
        super().__init__(f"target {row} depends on those before it")
        self.row = row


def constrained_directions(gram: Tensor, targets: Tensor, slack: Tensor) -> Tensor:
    """(d·Cᵀ + S)⁻¹·d with d = C·(C_regᵀ·C_reg)⁻¹ (Kumari et al. 2023, section 3.2): what all matrices of a model share.

    gram (d,d) is C_regᵀ·C_reg of the regularization captions' text states; of no captions it is 0, and the directions
    are then those of least change. targets (s,d) is C, a text state a row. slack (s,) is S, a diagonal that is not in
    the paper, as a share of that of d·Cᵀ: 0 where a target must be met, more where coming near is enough. Returns (s,d)
    in float64; without slack each direction is 1 along its own target and 0 along the others. Raises
    DependentTargetError.
    """
    gram, targets = gram.double(), targets.double()
    mean = gram.diagonal().mean()
    ridge = RIDGE * mean if mean > 0 else torch.tensor(1.0, dtype=torch.float64)
    regularized = gram + ridge * torch.eye(len(gram), dtype=torch.float64)
    d = torch.cholesky_solve(targets.T, torch.linalg.cholesky(regularized)).T
    overlaps = d @ targets.T
    overlaps += torch.diag(slack.double() * overlaps.diagonal())
    factor, failed = torch.linalg.cholesky_ex(overlaps)
    sound = int(failed) - 1 if failed else len(targets)  # rows that have a pivot
    # Not every LAPACK reports a pivot that is not a number; no comparison with one is true.
    strong = factor.diagonal()[:sound].square() > DEPENDENT * overlaps.diagonal()[:sound]
    weak = (~strong).nonzero()
    if failed or len(weak) > 0:
        raise DependentTargetError(int(weak[0]) if len(weak) > 0 else sound)
    return torch.cholesky_solve(d, factor)


def constrained_weights(base: Tensor, targets: Tensor, values: Tensor, directions: Tensor) -> Tensor:
    """argmin_W ‖W·C_regᵀ − W0·C_regᵀ‖_F subject to W·Cᵀ = Vᵀ, which is W0 + (V − C·W0ᵀ)ᵀ·directions.

    With slack, of the square of that norm plus the sum of the slack targets' squared misses, each divided by its
    element of S. base W0 (c,d), targets C (s,d), values V (s,c), directions (s,d) of `constrained_directions`; returns
    W (c,d) in float64.
    """
    base = base.double()
    return base + (values.double() - targets.double() @ base.T).T @ directions
