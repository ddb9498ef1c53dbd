"""The default model as a diffusers pipeline: its UNet's shape, its noise schedule, its folder on disk."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from models.whole_files import whole_file, whole_files
from server_distill.default_model.widen import widen
from server_distill.training.load_part import load_part

UNET = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 2,
    "block_out_channels": (64, 96, 128, 256),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "cross_attention_dim": 128,
    "attention_head_dim": (1, 2, 4, 4),  # heads, in spite of its name: none narrower than 32 channels
    "norm_num_groups": 4,
}
VAE_WIDTHS = (32, 48, 96, 192)
"""Of the autoencoder that is shipped; a narrower one, as its first training makes it, is widened."""
SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
"""v-prediction (Salimans & Ho 2022), since ε from a small network is too noisy at high noise."""


def start_from(unet: UNet2DConditionModel, folder: Path) -> None:
    """Give `unet` the weights of the one in a pipeline's folder, widened if that is narrower.

    Raises CheckpointError if it cannot be read, ValueError if it cannot be widened to `unet`'s levels, RuntimeError if
    the two differ otherwise.
    """
    started = load_part(UNet2DConditionModel, folder / "unet", dtype=torch.float32)
    if tuple(started.config.block_out_channels) != tuple(unet.config.block_out_channels):
        started = widen(started, unet.config.block_out_channels)
    unet.load_state_dict(started.state_dict())


def save_pipeline(
    folder: Path,
    vae: Path,
    tokenizer: CLIPTokenizer,
    text: CLIPTextModel,
    unet: UNet2DConditionModel,
    scaling_factor: float,
) -> None:
    """Write a diffusers Stable Diffusion folder; an earlier one is replaced once the new one is whole."""
    autoencoder = load_part(AutoencoderKL, vae)
    autoencoder.register_to_config(scaling_factor=round(scaling_factor, 6))
    pipeline = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(**SCHEDULE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    with whole_files(folder, last="model_index.json") as temporary:
        pipeline.save_pretrained(temporary, safe_serialization=True)


def write_figures(folder: Path, figures: Mapping[str, float], begun: float) -> None:
    """`training.json`: `figures`, and the seconds of training since `begun` (time.monotonic) and in earlier runs."""
    path = folder / "training.json"
    earlier = json.loads(path.read_text())["seconds"] if path.exists() else 0
    seconds = round(earlier + time.monotonic() - begun)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps({**figures, "seconds": seconds}) + "\n")
