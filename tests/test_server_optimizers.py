"""Optimizers by name: what they compute, and how much they hold."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from server_distill.training.optimizers import make_optimizer


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(8, 16, 3), nn.GroupNorm(4, 16), nn.Flatten(), nn.Linear(16 * 4, 5))


def take_steps(model: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        loss = model(torch.randn(3, 8, 4, 4, generator=generator)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_adafactor_takes_a_convolution_for_a_matrix() -> None:
    """torch.optim.Adafactor on the same kernel, held as a matrix, is the oracle."""
    ours = network()
    oracle = copy.deepcopy(ours)
    kernel = nn.Parameter(oracle[0].weight.detach().flatten(1).clone())
    others = [p for name, p in oracle.named_parameters() if name != "0.weight"]
    reference = torch.optim.Adafactor([kernel, *others], 1e-2, weight_decay=1e-2, foreach=False)
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        oracle[0].weight.data = kernel.detach().view_as(oracle[0].weight).clone()
        oracle.zero_grad()
        oracle(torch.randn(3, 8, 4, 4, generator=generator)).square().mean().backward()
        kernel.grad = oracle[0].weight.grad.flatten(1)  # type: ignore[union-attr]
        reference.step()
    take_steps(ours, make_optimizer("adafactor", ours.parameters(), 1e-2), 4)
    assert torch.equal(ours[0].weight.flatten(1), kernel)
    assert all(torch.equal(ours.get_parameter(n), p) for n, p in oracle.named_parameters() if n != "0.weight")
    assert ours[0].weight.shape == ours[0].weight.grad.shape == (16, 8, 3, 3)  # type: ignore[union-attr]


@pytest.mark.parametrize(("name", "most"), [("adamw", 2.1), ("adafactor", 0.4)])
def test_state_is_as_large_as_said(name: str, most: float) -> None:
    """In values a weight; of so small a network Adafactor's rows and columns are a quarter, of a large one nothing."""
    model = network()
    optimizer = make_optimizer(name, model.parameters(), 1e-3)
    take_steps(model, optimizer, 1)
    held = sum(v.numel() for state in optimizer.state.values() for v in state.values() if torch.is_tensor(v))
    assert held < most * sum(p.numel() for p in model.parameters())


def test_an_unknown_optimizer_is_named() -> None:
    with pytest.raises(ValueError, match="'sgd' is none of adamw"):
        make_optimizer("sgd", network().parameters(), 1e-3)
