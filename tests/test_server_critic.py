"""The critic: that it learns to tell sharp from blurred, and what it does to gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor

from server_distill.default_model.critic import AdversarialLoss, Critic, add_balanced
from server_distill.default_model.perceptual_loss import CHANNELS, layer_features


def checkered(seed: int) -> Tensor:
    """Two pictures (2, 3, 64, 64) of squares with hard edges."""
    squares = torch.randint(0, 2, (2, 3, 16, 16), generator=torch.Generator().manual_seed(seed)).float() * 2 - 1
    return F.interpolate(squares, scale_factor=4, mode="nearest")


def blurred(pictures: Tensor) -> Tensor:
    return F.avg_pool2d(pictures, 5, stride=1, padding=2)


@pytest.fixture(scope="module")
def trained() -> tuple[AdversarialLoss, list[float]]:
    """After 25 steps on sharp pictures as real ones, and their blurs as painted ones; the loss of each step."""
    torch.manual_seed(0)
    adversarial, losses = AdversarialLoss(Accelerator(cpu=True)), []
    for step in range(25):
        real = checkered(step)
        painted = blurred(real)
        losses.append(adversarial.learn(painted, layer_features(painted), real, layer_features(real)).item())
    return adversarial, losses


def test_features_have_the_channels_that_the_critic_reads() -> None:
    assert tuple(layer.shape[1] for layer in layer_features(checkered(0))) == CHANNELS


def test_every_patch_of_every_layer_is_scored() -> None:
    pictures = checkered(0)
    scores = Critic()(pictures, layer_features(pictures))
    # halved thrice from 64 pixels, and once each from 32, 16, 8, 4 and 4 of the layers
    assert scores.shape == (2, 8**2 + 16**2 + 8**2 + 4**2 + 2**2 + 2**2)


def test_it_learns_to_tell_blurs_from_sharp_pictures(trained: tuple[AdversarialLoss, list[float]]) -> None:
    adversarial, losses = trained
    assert losses[0] == pytest.approx(2, abs=0.5)  # of a hinge on scores around zero
    assert losses[-1] < 1
    fresh = checkered(100)
    assert adversarial.judge(fresh, layer_features(fresh)) < adversarial.judge(
        blurred(fresh), layer_features(blurred(fresh))
    )


def test_judging_teaches_the_painter_and_not_the_critic(trained: tuple[AdversarialLoss, list[float]]) -> None:
    adversarial, _ = trained
    painted = blurred(checkered(101)).requires_grad_()
    before = adversarial.judge(painted, layer_features(painted))
    before.backward()
    assert painted.grad is not None
    with torch.no_grad():
        sharper = painted - 0.05 * painted.grad / painted.grad.square().mean().sqrt()
    assert adversarial.judge(sharper, layer_features(sharper)) < before
    assert all(p.grad is None and p.requires_grad for p in adversarial.critic.parameters())


def test_what_is_added_has_the_length_that_was_asked_for() -> None:
    at = torch.tensor([3.0, 4.0], requires_grad=True)
    total = add_balanced(at.square().sum(), 5 * at[0], 0.5, at)  # gradients (6, 8) and (5, 0)
    assert total.item() == pytest.approx(25 + 15)
    assert torch.autograd.grad(total, at)[0].tolist() == pytest.approx([6 + 5, 8])


def test_the_sum_leads_back_to_what_is_trained() -> None:
    weight = torch.tensor(2.0, requires_grad=True)
    at = weight * torch.tensor([1.0, 3.0])
    add_balanced(at.sum(), -at.sum(), 0.25, at).backward()  # three quarters of (1, 1), times (1, 3)
    assert weight.grad is not None and weight.grad.item() == pytest.approx(3)
