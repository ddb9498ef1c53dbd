"""Pictures of a network in training, for its log."""

from __future__ import annotations

import argparse
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel

STEPS = 25


@torch.no_grad()
def validation_pictures(
    args: argparse.Namespace, prompts: list[str], unet: UNet2DConditionModel, device: torch.device
) -> tuple[list[Any], list[str]]:
    """Pictures uint8 (H, W, 3), `--num_validation_images` a prompt, and their prompts; equal seeds each time."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        args.pretrained_model_name_or_path,
        unet=unet,
        revision=args.revision,
        variant=args.variant,
        dtype=torch.float32,
        safety_checker=None,
    )
    pipeline.to(device).set_progress_bar_config(disable=True)
    captions = [prompt for prompt in prompts for _ in range(args.num_validation_images)]
    pictures = []
    for i, prompt in enumerate(captions):
        generator = torch.Generator().manual_seed((args.seed or 0) * 1_000 + i)
        image = pipeline(
            prompt,
            num_inference_steps=STEPS,
            height=args.resolution,
            width=args.resolution,
            generator=generator,
            output_type="np",
        ).images[0]
        pictures.append((image * 255).round().astype("uint8"))
    return pictures, captions
