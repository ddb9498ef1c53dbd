"""Optimizers that see weights as matrices, for networks whose convolutions' kernels (C', C, h, w) are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import _muon

from server_distill.training.precision import cpu_multiplies_bf16, has_gpu

SMALLEST_HIDDEN_WIDTH = 16
"""Matrices with a side below it read or write latents, or count something else: Muon leaves them to AdamW."""


class Adafactor(torch.optim.Adafactor):
    """Adafactor whose state of a convolution (C', C, h, w) is that of a matrix (C', C·h·w).

    torch.optim.Adafactor factors a tensor's last two dimensions: for 3 × 3 kernels that keeps two thirds of the
    weights' own size, and takes as many products of tiny matrices.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        parameters = [p for group in self.param_groups for p in group["params"]]
        with _as_matrices(p for p in parameters if p.ndim > 2 and p.grad is not None and p.is_contiguous()):
            return super().step(closure)


class Muon(torch.optim.Optimizer):
    """Muon for hidden matrices, a convolution (C', C, h, w) taken as (C', C·h·w), and AdamW for everything else.

    Muon's step is orthogonal: all directions of a matrix are learned at one pace, not only those that gradients favour.
    Steps are scaled to be as large as AdamW's (Liu et al. 2025, section 2.2), so both take one learning rate. Groups
    with `elementwise=True` are left to AdamW wholly, as embeddings should be.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter] | list[dict[str, Any]],
        learning_rate: float,
        betas: tuple[float, float],
        weight_decay: float,
        epsilon: float,
    ) -> None:
        matrices, others = _hidden_matrices_and_others(parameters)
        self.parts: list[torch.optim.Optimizer] = []
        if matrices:
            with _as_matrices(p for group in matrices for p in group["params"]):
                muon = torch.optim.Muon(matrices, learning_rate, weight_decay, adjust_lr_fn="match_rms_adamw")
            self.parts.append(muon)
        if others:
            self.parts.append(torch.optim.AdamW(others, learning_rate, betas, epsilon, weight_decay))
        super().__init__([group for part in self.parts for group in part.param_groups], {})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else torch.enable_grad()(closure)()
        groups = iter(self.param_groups)
        for part in self.parts:
            # A part steps on the groups and the state held here: those that schedules change and checkpoints restore.
            part.param_groups, part.state = list(islice(groups, len(part.param_groups))), self.state
            if isinstance(part, torch.optim.Muon):
                with (
                    _as_matrices(p for group in part.param_groups for p in group["params"] if p.grad is not None),
                    _bf16_only_where_it_is_fast(),
                ):
                    part.step()
            else:
                part.step()
        return loss


def _hidden_matrices_and_others(
    parameters: Iterable[Parameter] | list[dict[str, Any]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every group split in two, without empty ones."""
    given = list(parameters)
    groups = given if given and isinstance(given[0], dict) else [{"params": given}]
    matrices: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for group in groups:
        for chosen, wanted in ((matrices, True), (others, False)):
            kept = [p for p in group["params"] if _is_hidden_matrix(p, group) is wanted]
            if kept:
                chosen.append({**group, "params": kept})
    return matrices, others


def _is_hidden_matrix(parameter: Tensor, group: dict[str, Any]) -> bool:
    if group.get("elementwise", False):
        return False
    return parameter.ndim in (2, 4) and min(parameter.shape[:2]) >= SMALLEST_HIDDEN_WIDTH


@contextmanager
def _as_matrices(parameters: Iterable[Parameter]) -> Iterator[None]:
    """Each parameter and its gradient seen as (first dimension, the rest), whatever the rest's order in memory."""
    seen = [(p, p.data, p.grad) for p in parameters]
    for p, data, gradient in seen:
        # In channels_last the pixels of a kernel come before its channels: only so is there a view of it as a matrix.
        order = (0, 2, 3, 1) if data.ndim == 4 and not data.is_contiguous() else tuple(range(data.ndim))
        p.grad = None  # a gradient must have its parameter's shape
        p.data = data.permute(order).view(data.shape[0], -1)
        p.grad = None if gradient is None else gradient.permute(order).reshape(data.shape[0], -1)
    try:
        yield
    finally:
        for p, data, gradient in seen:
            p.grad = None
            p.data, p.grad = data, gradient


@contextmanager
def _bf16_only_where_it_is_fast() -> Iterator[None]:
    """torch.optim.Muon multiplies in bf16: where that is emulated, a step took 5 s that takes 0.4 in float32."""
    torchs = _muon._zeropower_via_newtonschulz
    if not has_gpu() and not cpu_multiplies_bf16():
        _muon._zeropower_via_newtonschulz = orthogonalized
    try:
        yield
    finally:
        _muon._zeropower_via_newtonschulz = torchs


def orthogonalized(gradient: Tensor, coefficients: tuple[float, float, float], steps: int, epsilon: float) -> Tensor:
    """A matrix with all singular values of `gradient` (m, n) brought near 1, in its own precision: `steps` of the
    quintic Newton-Schulz iteration X ← aX + b(XXᵀ)X + c(XXᵀ)²X (Jordan et al. 2024, "Muon") from unit norm.
    """
    a, b, c = coefficients
    wide = gradient if gradient.shape[0] <= gradient.shape[1] else gradient.T
    x = wide / wide.norm().clamp(min=epsilon)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide is gradient else x.T
