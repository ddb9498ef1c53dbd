"""Feature losses that hold little, against plain autograd; noise targets and weights against diffusers' own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from torch import nn

from models.adapter import base_weights
from models.adapter_file import AdapterFile, AdapterFileError, write
from server_distill.distillation.feature_matching import FeatureMatching
from server_distill.distillation.kv_perturbation import changed, kv_shapes, learned_changes, random_changes
from server_distill.training.diffusion_loss import snr_weights, target, weighted_mse
from tests.small_pipelines import small_unet


class Two(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.second = nn.Linear(5, 7), nn.Linear(7, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.tanh(self.first(x)))


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_loss_and_gradients_equal_plain_squared_errors(relative: bool, kind: torch.dtype) -> None:
    """float32: up to the order of additions. bfloat16 keeps the difference with 8 bits: 2⁻⁸ of a gradient."""
    student, teacher, x = Two(0), Two(1), torch.randn(4, 5)
    pairs = {"first": "first", "second": "second"}
    matching = FeatureMatching(student, pairs, relative)
    with matching.student_runs():
        student(x)
    with torch.no_grad(), matching.teacher_runs(teacher.to(kind)):
        teacher(x.to(kind))
    loss = matching.loss()
    loss.backward()
    found = [p.grad.clone() for p in student.parameters()]

    student.zero_grad()
    own, wanted = student.first(x), teacher.first(x.to(kind)).float()
    own2, wanted2 = student.second(torch.tanh(own)), teacher.second(torch.tanh(teacher.first(x.to(kind)))).float()
    terms = [F.mse_loss(a, b.detach()) for a, b in ((own, wanted), (own2, wanted2))]
    if relative:
        terms = [t / b.detach().square().mean() for t, b in zip(terms, (wanted, wanted2), strict=True)]
    expected = torch.stack(terms).mean() if relative else torch.stack(terms).sum()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for a, p in zip(found, student.parameters(), strict=True):
        tolerance = 1e-6 if kind is torch.float32 else 2**-7 * p.grad.abs().max().item()
        assert torch.allclose(a, p.grad, atol=tolerance)


def test_a_pair_that_was_not_compared_is_an_error() -> None:
    matching = FeatureMatching(Two(0), {"first": "first"}, False)
    with pytest.raises(RuntimeError, match="0 of 1"):
        matching.loss()


def test_hooks_go_when_their_network_has_run() -> None:
    student, teacher = Two(0), Two(1)
    matching = FeatureMatching(student, {"first": "first"}, False)
    with matching.student_runs():
        student(torch.randn(2, 5))
    with matching.teacher_runs(teacher):
        teacher(torch.randn(2, 5))
    assert not student.first._forward_hooks and not teacher.first._forward_hooks


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_targets_and_weights(kind: str) -> None:
    """v and SNR from ᾱ, as the papers define them."""
    schedule = DDPMScheduler(beta_schedule="scaled_linear", prediction_type=kind)
    torch.manual_seed(0)
    x, noise, timesteps = torch.randn(6, 4, 3, 3), torch.randn(6, 4, 3, 3), torch.tensor([0, 10, 300, 600, 900, 999])
    alpha = schedule.alphas_cumprod[timesteps]
    wide = alpha[:, None, None, None]
    expected = noise if kind == "epsilon" else wide.sqrt() * noise - (1 - wide).sqrt() * x
    assert torch.allclose(target(schedule, x, noise, timesteps), expected, atol=1e-6)
    snr = alpha / (1 - alpha)
    expected = snr.clamp(max=5) / (snr if kind == "epsilon" else snr + 1)
    assert torch.allclose(snr_weights(schedule, timesteps, 5.0), expected, rtol=1e-4)
    assert torch.equal(snr_weights(schedule, timesteps, None), torch.ones(6))
    rows = [F.mse_loss(a, b) * w for a, b, w in zip(x, noise, expected, strict=True)]
    assert weighted_mse(x, noise, expected).item() == pytest.approx(sum(rows) / 6)


def test_other_prediction_types_are_refused() -> None:
    with pytest.raises(ValueError, match="sample"):
        target(DDPMScheduler(prediction_type="sample"), *(torch.zeros(1, 4, 2, 2),) * 2, torch.tensor([1]))


def test_zero_terminal_snr_has_a_weight() -> None:
    schedule = DDPMScheduler(beta_schedule="scaled_linear", rescale_betas_zero_snr=True)
    assert torch.isfinite(snr_weights(schedule, torch.tensor([999]), 5.0)).all()


def test_a_change_equals_changed_matrices() -> None:
    unet = small_unet()
    layers = [name for name, _ in unet.named_modules() if name.endswith(".attn2")]
    changes = random_changes(kv_shapes(unet, layers), 3, 0.5, torch.Generator().manual_seed(1))
    inputs = torch.randn(2, 4, 8, 8), torch.tensor([3, 700]), torch.randn(2, 5, 32)
    with torch.no_grad():
        plain = unet(*inputs).sample
        with changed(unet, changes):
            hooked = unet(*inputs).sample
        assert torch.equal(unet(*inputs).sample, plain)
        for name, (a, b) in changes.items():
            weight = unet.get_submodule(name).weight
            share = torch.linalg.matrix_norm(b @ a) / torch.linalg.matrix_norm(weight)
            assert share.item() == pytest.approx(0.5, rel=1e-4)
            weight += b @ a
        assert torch.allclose(unet(*inputs).sample, hooked, atol=1e-4)
    assert not torch.allclose(plain, hooked, atol=1e-2)


def test_learned_changes_are_what_an_adapter_changed(tmp_path: Path) -> None:
    unet = small_unet()
    base = base_weights(unet)
    generator = torch.Generator().manual_seed(2)
    low = {name: torch.randn(len(w), 2, generator=generator) for name, w in base.items()}
    tensors = {name: w + low[name] @ torch.randn(2, w.shape[1], generator=generator) for name, w in base.items()}
    write(tmp_path / "cat.safetensors", AdapterFile("small", "0" * 64, "full", None, tensors))
    (change,) = learned_changes(unet, tmp_path, rank=2)
    for name, (a, b) in change.items():
        assert torch.allclose(b @ a, tensors[f"{name}.weight"] - base[f"{name}.weight"], atol=1e-4)
    with pytest.raises(AdapterFileError, match="does not fit"):
        learned_changes(small_unet(cross_attention_dim=16), tmp_path, rank=2)
    with pytest.raises(AdapterFileError, match="holds no adapter"):
        learned_changes(unet, tmp_path / "nowhere", rank=2)
