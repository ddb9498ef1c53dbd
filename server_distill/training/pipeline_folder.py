"""A whole diffusers pipeline folder with another UNet in it, that replaces what was there only once it is whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel


def save_with_unet(
    folder: Path, model: str, unet: UNet2DConditionModel, revision: str | None = None, variant: str | None = None
) -> None:
    """Write `model`'s pipeline with `unet` in place of its own into `folder`, beside whatever else lies there.

    The index goes last: a folder that has one is a pipeline. Raises OSError (a full disk) and leaves an earlier one.
    """
    temporary = folder / ".pipeline.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        pipeline = StableDiffusionPipeline.from_pretrained(
            model,
            unet=unet,
            revision=revision,
            variant=variant,
            torch_dtype=torch.float32,
            safety_checker=None,
            requires_safety_checker=False,
        )
        pipeline.save_pretrained(temporary)
        for part in sorted(temporary.iterdir(), key=lambda path: path.name == "model_index.json"):
            target = folder / part.name
            if target.is_dir():
                shutil.rmtree(target)
            part.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
