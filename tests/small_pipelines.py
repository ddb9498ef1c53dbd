"""Pipelines of Stable Diffusion 1.x's layout whose networks take milliseconds: four levels, 32-pixel pictures."""

from __future__ import annotations

from pathlib import Path

from diffusers import UNet2DConditionModel

from tests.sd_shaped import make_autoencoder, make_text_encoder, make_unet, save_pipeline

WIDTHS = (8, 8, 16, 16)


def small_unet(student: bool = False, **changes: object) -> UNet2DConditionModel:
    """Two layers a block and a mid block, its last two levels equally wide, so that every distillation level fits."""
    settings: dict[str, object] = {
        "block_out_channels": WIDTHS,
        "sample_size": 8,
        "cross_attention_dim": 32,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
    return make_unet(student, **{**settings, **changes})


def small_pipeline(folder: Path, prediction_type: str = "epsilon", **changes: object) -> Path:
    """A teacher's folder: ÷8, 8×8 latents of 64 pixels."""
    text = make_text_encoder(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    vae = make_autoencoder(block_out_channels=(4, 4, 8, 8), norm_num_groups=4, sample_size=64)
    return save_pipeline(
        folder, prediction_type=prediction_type, unet=small_unet(**changes), vae=vae, text_encoder=text
    )
