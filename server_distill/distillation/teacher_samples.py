"""Data for distillation that needs no data: the teacher's own latents of given prompts."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from PIL import Image
from tqdm import tqdm

from server_distill.data_sets.image_dataset import Captioned, DatasetError
from server_distill.data_sets.latent_cache import LatentCacheWriter, TextEncoder

SHARD = 32
"""Latents a file: drawing one takes long."""
NO_SPREAD = -30.0
"""Log-variance of a latent that is a sample already."""


def read_prompts(path: Path) -> list[str]:
    """Lines that are not blank. Raises DatasetError."""
    try:
        prompts = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} can't be read ({error})") from error
    if not prompts:
        raise DatasetError(f"{path} holds no prompt")
    return prompts


@torch.no_grad()
def sample_latents(
    pipeline: StableDiffusionPipeline,
    prompts: list[str],
    count: int,
    writer: LatentCacheWriter,
    text: TextEncoder,
    steps: int,
    guidance_scale: float,
    seed: int,
    batch: int = 8,
) -> None:
    """Fill `writer`'s cache with `count` latents of each prompt; example i has a seed of its own, whatever the batch.

    DPM-Solver++ (Lu et al. 2022), classifier-free guidance (Ho & Salimans 2022). Goes on where it was interrupted.
    """
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    wanted = [prompt for prompt in prompts for _ in range(count)]
    blank = Image.new("RGB", (1, 1))
    begun = writer.next_example()
    bar = tqdm(total=len(wanted), initial=begun, desc="teacher draws", unit=" latents")
    for shard in range(begun, len(wanted), SHARD):
        rows = []
        for start in range(shard, min(shard + SHARD, len(wanted)), batch):
            numbers = range(start, min(start + batch, shard + SHARD, len(wanted)))
            drawn = pipeline(
                [wanted[i] for i in numbers],
                num_inference_steps=steps,
                guidance_scale=guidance_scale,
                generator=[torch.Generator().manual_seed(seed * 1_000_003 + i) for i in numbers],
                output_type="latent",
            ).images
            for i, latent in zip(numbers, drawn.float().cpu() / pipeline.vae.config.scaling_factor, strict=True):
                example = Captioned(i, f"sample {i}", blank, [wanted[i]])
                rows.append((example, latent[None], torch.full_like(latent[None], NO_SPREAD)))
            bar.update(len(numbers))
        writer.add(rows, text, shard + len(rows))
