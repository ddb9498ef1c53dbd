"""Optimizers by name: what they compute, and how much they hold."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from server_distill.training import matrix_optimizers
from server_distill.training.matrix_optimizers import orthogonalized
from server_distill.training.optimizers import make_optimizer


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(8, 16, 3), nn.GroupNorm(4, 16), nn.Flatten(), nn.Linear(16 * 4, 5))


def take_steps(
    model: nn.Module, optimizer: torch.optim.Optimizer, count: int, shape: tuple[int, ...] = (3, 8, 4, 4)
) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        loss = model(torch.randn(shape, generator=generator)).square().mean()
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


def wide_network(layout: torch.memory_format = torch.contiguous_format) -> nn.Sequential:
    """Input (B, 4, 4, 4); `HIDDEN` names its weights that are neither first nor vectors."""
    torch.manual_seed(0)
    layers = nn.Conv2d(4, 16, 1), nn.Conv2d(16, 24, 3), nn.GroupNorm(4, 24), nn.Flatten(), nn.Linear(24 * 4, 16)
    return nn.Sequential(*layers).to(memory_format=layout)


HIDDEN = ("1.weight", "4.weight")
WIDE_INPUT = (3, 4, 4, 4)


def as_matrix(weight: torch.Tensor, layout: torch.memory_format) -> torch.Tensor:
    """Columns in the order of memory; vectors and matrices as they are."""
    if weight.ndim == 4 and layout == torch.channels_last:
        weight = weight.permute(0, 2, 3, 1)
    return weight.flatten(1) if weight.ndim == 4 else weight


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_muon_steps_as_torch_does_on_matrices_and_leaves_the_rest_to_adamw(
    layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix_optimizers, "cpu_multiplies_bf16", lambda: True)
    model = wide_network(layout)
    oracle = {n: nn.Parameter(as_matrix(p.detach(), layout).clone()) for n, p in model.named_parameters()}
    muon = torch.optim.Muon([oracle[n] for n in HIDDEN], 1e-2, 0.01, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW([p for n, p in oracle.items() if n not in HIDDEN], 1e-2)
    optimizer = make_optimizer("muon", model.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        optimizer.zero_grad()
        model(torch.randn(WIDE_INPUT, generator=generator).to(memory_format=layout)).square().mean().backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            oracle[name].grad = as_matrix(parameter.grad, layout)
        for one in (optimizer, muon, adamw):
            one.step()
    for name, parameter in model.named_parameters():
        assert torch.equal(as_matrix(parameter, layout), oracle[name]), name
        assert parameter.ndim < 4 or parameter.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("shape", [(24, 150), (64, 16), (32, 32)])
def test_without_bf16_muon_orthogonalizes_in_float32(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.optim.Muon's own iteration is the oracle, whose bf16 rounds to 1/256 five times."""
    gradient = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    iterate = torch.optim._muon._zeropower_via_newtonschulz
    ours = orthogonalized(gradient, (3.4445, -4.7750, 2.0315), 5, 1e-7)
    theirs = iterate(gradient, (3.4445, -4.7750, 2.0315), 5, 1e-7).float()
    assert ours.dtype == torch.float32
    assert (ours - theirs).norm() < 0.03 * theirs.norm()

    steps = []
    for fast in (True, False):
        monkeypatch.setattr(matrix_optimizers, "cpu_multiplies_bf16", lambda fast=fast: fast)
        weight = nn.Parameter(torch.zeros(shape))
        weight.grad = gradient.clone()
        make_optimizer("muon", [weight], 1e-2).step()
        steps.append(weight.detach())
        assert torch.optim._muon._zeropower_via_newtonschulz is iterate
    assert 0 < (steps[0] - steps[1]).norm() < 0.03 * steps[0].norm()


@pytest.mark.parametrize("kept", [HIDDEN, ("0.weight", "2.bias")])
def test_muon_takes_networks_of_one_kind_of_weight(kept: tuple[str, ...]) -> None:
    model = wide_network()
    optimizer = make_optimizer("muon", [model.get_parameter(n) for n in kept], 1e-2)
    before = copy.deepcopy(model)
    take_steps(model, optimizer, 1, WIDE_INPUT)
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before.get_parameter(n))}
    assert changed == set(kept)


def test_muon_leaves_elementwise_groups_to_adamw() -> None:
    ours, theirs = wide_network(), wide_network()
    take_steps(
        ours, make_optimizer("muon", [{"params": list(ours.parameters()), "elementwise": True}], 1e-2), 3, WIDE_INPUT
    )
    take_steps(theirs, make_optimizer("adamw", theirs.parameters(), 1e-2), 3, WIDE_INPUT)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


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
