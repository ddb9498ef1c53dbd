"""Optimizers by name, from the largest state to the smallest.

adamw       two float32 values a weight (torch.optim.AdamW)
adamw8bit   two bytes a weight, blockwise quantized (Dettmers et al. 2022): bitsandbytes where it is installed and
            there is a GPU, torchao elsewhere
adafactor   two values a row and column (Shazeer & Stern 2018): torch.optim.Adafactor, a convolution's kernel taken as
            a matrix
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

NAMES = ("adamw", "adamw8bit", "adafactor")


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


@contextmanager
def _as_matrices(parameters: Iterable[Tensor]) -> Iterator[None]:
    """Each parameter and its gradient seen as (first dimension, the rest)."""
    shapes = [(p, p.shape) for p in parameters]
    for p, _ in shapes:
        _reshape(p, (p.shape[0], -1))
    try:
        yield
    finally:
        for p, shape in shapes:
            _reshape(p, shape)


def _reshape(parameter: Tensor, shape: Sequence[int]) -> None:
    gradient, parameter.grad = parameter.grad, None  # a gradient must have its parameter's shape
    parameter.data = parameter.data.view(shape)
    parameter.grad = None if gradient is None else gradient.reshape(shape)


def make_optimizer(
    name: str,
    parameters: Iterable[Parameter] | list[dict[str, Any]],
    learning_rate: float,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 1e-2,
    epsilon: float = 1e-8,
) -> torch.optim.Optimizer:
    """An optimizer of `parameters`, or of groups of them. Raises ValueError for a name that is none of `NAMES`.

    Adafactor scales its steps by each matrix's own root mean square, so that a rate means a share of the weights; it
    takes no betas.
    """
    if name == "adamw":
        return torch.optim.AdamW(parameters, learning_rate, betas, epsilon, weight_decay)
    if name == "adafactor":
        return Adafactor(parameters, learning_rate, weight_decay=weight_decay, foreach=False)
    if name == "adamw8bit":
        if torch.cuda.is_available() and importlib.util.find_spec("bitsandbytes"):
            import bitsandbytes

            return bitsandbytes.optim.AdamW8bit(parameters, learning_rate, betas, epsilon, weight_decay)
        from torchao.optim import AdamW8bit

        if not torch.cuda.is_available():
            # torchao compiles its step for every shape of weight, minutes of it on a CPU, where that gains nothing.
            torch.compiler.set_stance("force_eager")
        return AdamW8bit(parameters, learning_rate, betas, epsilon, weight_decay)
    raise ValueError(f"optimizer {name!r} is none of {', '.join(NAMES)}")
