"""The perceptual term of the default UNets' loss: what it is zero for, what it teaches, which rows it looks at."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL, DDIMScheduler
from torch import Tensor

from server_distill.default_model.latent_examples import LatentBatch
from server_distill.default_model.latent_perceptual_loss import BELOW, CRITIC_WARMUP, LatentPerceptualLoss
from server_distill.default_model.perceptual_loss import perceptual_loss
from server_distill.default_model.pipeline import SCHEDULE
from server_distill.default_model.recognition_loss import recognition_loss

VAE = Path("models/default/teacher/vae")


@pytest.fixture(scope="module")
def loss() -> LatentPerceptualLoss:
    return make_loss()


def make_loss(critic_weight: float = 0.0, recognition_weight: float = 0.0) -> LatentPerceptualLoss:
    return LatentPerceptualLoss(
        AutoencoderKL.from_pretrained(VAE),
        DDIMScheduler(**SCHEDULE),
        Accelerator(cpu=True),
        weight=2,
        rows=2,
        recognition_weight=recognition_weight,
        critic_weight=critic_weight,
    )


def batch_at(*timesteps: int) -> LatentBatch:
    """Random latents at these timesteps; what the loss does not read is empty."""
    torch.manual_seed(0)
    latents = torch.randn(len(timesteps), 4, 8, 8)
    empty = torch.empty(0)
    return LatentBatch(latents, empty, empty, torch.randn_like(latents), torch.tensor(timesteps))


def noisy_and_v(loss: LatentPerceptualLoss, batch: LatentBatch) -> tuple[Tensor, Tensor]:
    noisy = loss.schedule.add_noise(batch.latents, batch.noise, batch.timesteps)
    return noisy, loss.schedule.get_velocity(batch.latents, batch.noise, batch.timesteps)


def test_the_true_velocity_amounts_to_the_real_picture(loss: LatentPerceptualLoss) -> None:
    batch = batch_at(50, 650)
    noisy, v = noisy_and_v(loss, batch)
    # unit-length features, five layers of a float32 network: a wrong prediction scores thousands of times as much
    assert loss(batch, noisy, v, 0)["perceptual"].item() < 1e-4
    assert loss(batch, noisy, v + 0.3 * torch.randn_like(v), 0)["perceptual"].item() > 0.1


def test_it_is_the_distance_of_the_decoded_pictures(loss: LatentPerceptualLoss) -> None:
    batch = batch_at(400)
    noisy, v = noisy_and_v(loss, batch)
    output = torch.zeros_like(v)
    kept = loss.schedule.alphas_cumprod[400]  # x = √ᾱ·x_t − √(1−ᾱ)·v, Salimans & Ho 2022, appendix D
    painted, wanted = loss.decode(kept.sqrt() * noisy), loss.decode(batch.latents)
    named = loss(batch, noisy, output, 0)
    assert named["perceptual"].item() == pytest.approx(perceptual_loss(painted, wanted).item(), rel=1e-4)
    assert named["looks"].item() == pytest.approx(2 * named["perceptual"].item())


def test_what_a_recognizer_says_is_added() -> None:
    loss = make_loss(recognition_weight=3)
    batch = batch_at(400)
    noisy, v = noisy_and_v(loss, batch)
    kept = loss.schedule.alphas_cumprod[400]
    named = loss(batch, noisy, torch.zeros_like(v), 1)
    wanted = recognition_loss(loss.decode(kept.sqrt() * noisy), loss.decode(batch.latents), 1)
    assert named["recognition"].item() == pytest.approx(wanted.item(), rel=1e-4)
    assert named["looks"].item() == pytest.approx(2 * named["perceptual"].item() + 3 * wanted.item(), rel=1e-4)


def test_it_looks_at_the_first_rows_of_moderate_noise(loss: LatentPerceptualLoss) -> None:
    batch = batch_at(BELOW, 300, 999, BELOW - 1, 10)
    noisy, v = noisy_and_v(loss, batch)
    output = (v + 0.1).requires_grad_()
    loss(batch, noisy, output, 0)["looks"].backward()
    assert output.grad is not None
    assert output.grad.flatten(1).abs().sum(1).bool().tolist() == [False, True, False, True, False]


def test_a_batch_of_noise_alone_adds_nothing(loss: LatentPerceptualLoss) -> None:
    batch = batch_at(BELOW, 999)
    noisy, v = noisy_and_v(loss, batch)
    output = v.requires_grad_()
    value = loss(batch, noisy, output, 0)["looks"]
    value.backward()
    assert value.item() == 0 and output.grad is not None and not output.grad.any()


def test_it_teaches(loss: LatentPerceptualLoss) -> None:
    batch = batch_at(300, 500)
    noisy, v = noisy_and_v(loss, batch)
    output = (v + 0.3 * torch.randn_like(v)).requires_grad_()
    optimizer, values = torch.optim.Adam([output], lr=0.01), []
    for _ in range(15):
        optimizer.zero_grad()
        value = loss(batch, noisy, output, 0)["looks"]
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.8 * values[0]


def test_a_critic_learns_and_teaches_beside_it() -> None:
    """Its gradient is as long as `critic_weight` says, at the painted pictures, once its say has grown."""
    torch.manual_seed(0)
    loss = make_loss(critic_weight=0.5)
    assert loss.adversarial is not None
    before = [parameter.clone() for parameter in loss.adversarial.critic.parameters()]
    batch = batch_at(300, 500)
    noisy, v = noisy_and_v(loss, batch)
    output = (v + 0.3 * torch.randn_like(v)).requires_grad_()
    named = loss(batch, noisy, output, CRITIC_WARMUP)
    assert any(not torch.equal(a, b) for a, b in zip(before, loss.adversarial.critic.parameters(), strict=True))
    with_critic = torch.autograd.grad(named["looks"], output)[0]
    without = torch.autograd.grad(make_loss()(batch, noisy, output, CRITIC_WARMUP)["looks"], output)[0]
    assert 0.1 < (with_critic - without).norm() / without.norm() < 2  # half, but for what the decoder makes of it


def test_a_batch_of_noise_alone_leaves_its_critic_alone() -> None:
    batch = batch_at(BELOW)
    noisy, v = noisy_and_v(loss := make_loss(critic_weight=0.5, recognition_weight=1), batch)
    assert {name: value.item() for name, value in loss(batch, noisy, v, 0).items()} == {
        **dict.fromkeys(("looks", "perceptual", "recognition", "critic", "adversarial"), 0.0)
    }
