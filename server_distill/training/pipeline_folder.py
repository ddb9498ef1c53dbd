"""A whole diffusers pipeline folder with another UNet in it, that replaces what was there only once it is whole."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel

from models.whole_files import whole_files


def save_with_unet(
    folder: Path, model: str, unet: UNet2DConditionModel, revision: str | None = None, variant: str | None = None
) -> None:
    """Write `model`'s pipeline with `unet` in place of its own into `folder`, beside whatever else lies there.

    The index goes last: a folder that has one is a pipeline. Raises OSError (a full disk) and leaves an earlier one.
    """
    pipeline = StableDiffusionPipeline.from_pretrained(
        model,
        unet=unet,
        revision=revision,
        variant=variant,
        dtype=torch.float32,
        safety_checker=None,
        requires_safety_checker=False,
    )
    with whole_files(folder, last="model_index.json") as temporary:
        pipeline.save_pretrained(temporary)
