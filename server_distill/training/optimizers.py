"""Optimizers by name, from the largest state to the smallest.

adamw       two float32 values a weight (torch.optim.AdamW)
adamw8bit   two bytes a weight, blockwise quantized (Dettmers et al. 2022): bitsandbytes where it is installed and
            there is a GPU, torchao elsewhere
adafactor   two values a row and column (Shazeer & Stern 2018): torch.optim.Adafactor, a convolution's kernel taken as
            a matrix
muon        one float32 value a weight of hidden matrices and kernels (Jordan et al. 2024), two of the others:
            torch.optim.Muon and AdamW
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter

from server_distill.training.matrix_optimizers import Adafactor, Muon

NAMES = ("adamw", "adamw8bit", "adafactor", "muon")


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
    if name == "muon":
        return Muon(parameters, learning_rate, betas, weight_decay, epsilon)
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
