"""A widened network computes what the narrower one did, and its repeated channels can learn different things."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from server_distill.default_model.pipeline import start_from
from server_distill.default_model.widen import widen, widen_autoencoder
from server_distill.distillation.block_removal import make_student

HEADS = (1, 2, 2)


def unet_of(widths: tuple[int, ...], seed: int = 0) -> UNet2DConditionModel:
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        sample_size=8,
        layers_per_block=2,
        block_out_channels=widths,
        down_block_types=("CrossAttnDownBlock2D",) * 2 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=16,
        attention_head_dim=HEADS,
        norm_num_groups=2,
    ).eval()


@pytest.fixture(scope="module")
def narrow() -> UNet2DConditionModel:
    """Every parameter random, biases and normalizations too: zeros and ones would hide where they go."""
    unet = unet_of((8, 16, 32))
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return unet


def predict(unet: UNet2DConditionModel) -> Tensor:
    torch.manual_seed(1)
    inputs = torch.randn(3, 4, 8, 8), torch.tensor([3, 400, 990])
    return unet(*inputs, torch.randn(3, 7, 16), return_dict=False)[0]


def relative_difference(a: UNet2DConditionModel, b: UNet2DConditionModel) -> float:
    with torch.no_grad():
        expected = predict(b)
        return float((predict(a) - expected).norm() / expected.norm())


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("removed", [False, True], ids=["teacher", "student"])
def test_one_whole_factor_changes_nothing(narrow: UNet2DConditionModel, factor: int, removed: bool) -> None:
    unet = make_student(narrow).eval() if removed else narrow
    wide = widen(unet, [factor * width for width in unet.config.block_out_channels]).eval()
    assert relative_difference(wide, unet) < 1e-5  # float32's rounding, through some forty layers


def test_uneven_widths_stay_near(narrow: UNet2DConditionModel) -> None:
    """Only what the normalizations see changes: far less than another network's answer, which is off by more than 1."""
    wide = widen(narrow, (16, 24, 32)).eval()
    assert relative_difference(wide, narrow) < 0.5
    assert relative_difference(unet_of((16, 24, 32), seed=2), narrow) > 0.7


def test_repeats_get_different_gradients(narrow: UNet2DConditionModel) -> None:
    wide = widen(narrow, (16, 32, 64))
    predict(wide).square().sum().backward()
    gradient = wide.down_blocks[1].resnets[0].conv1.weight.grad
    assert not torch.allclose(gradient[0::2], gradient[1::2], rtol=0.05)


@pytest.mark.parametrize("widths", [(8, 16, 16), (4, 16, 32), (8, 16), (16, 16, 32)])
def test_what_cannot_be_widened_is_refused(narrow: UNet2DConditionModel, widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="cannot widen"):
        widen(narrow, widths)


def test_training_starts_from_a_narrower_pipeline(narrow: UNet2DConditionModel, tmp_path: Path) -> None:
    narrow.save_pretrained(tmp_path / "unet")
    wide = unet_of((16, 32, 64))
    start_from(wide, tmp_path)
    assert relative_difference(wide, narrow) < 1e-5


def small_autoencoder() -> AutoencoderKL:
    torch.manual_seed(0)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 12),
        norm_num_groups=1,
        mid_block_add_attention=False,
    )
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return vae.eval()


@torch.no_grad()
def test_a_widened_autoencoder_gives_the_same_latents_and_pictures() -> None:
    vae = small_autoencoder()
    wide = widen_autoencoder(vae, (16, 24)).eval()
    pictures, latents = torch.randn(2, 3, 16, 16), torch.randn(2, 4, 8, 8)
    for a, b in (
        (wide.encode(pictures).latent_dist.mean, vae.encode(pictures).latent_dist.mean),
        (wide.decode(latents).sample, vae.decode(latents).sample),
    ):
        assert (a - b).norm() / b.norm() < 1e-5  # float32's rounding
    with pytest.raises(ValueError, match="no common factor"):
        widen_autoencoder(vae, (16, 32))
