"""Class images that the model draws itself (Ruiz et al. 2023, section 3.3: class-specific prior preservation)."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from tqdm import tqdm

from models.whole_files import whole_file
from server_distill.personalization.pretrained import load_models, new_pipeline
from server_distill.training.loop import draw
from server_distill.training.precision import DTYPES

STREAM = -1
"""In place of a process's number in `draw`: no micro-step shares these random numbers."""


def precision(asked: str | None, device: torch.device) -> torch.dtype:
    """fp16 on a GPU, else fp32, unless asked for."""
    return DTYPES[asked or ("fp16" if device.type == "cuda" else "fp32")]


@torch.no_grad()
def draw_class_images(
    accelerator: Accelerator, args: argparse.Namespace, prompt: str, folder: Path, present: int
) -> None:
    """Draw the images numbered `present` … `--num_class_images` − 1 into `folder`, the work shared by processes.

    Each depends on the seed and its number alone, and appears whole or not at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pipeline = new_pipeline(load_models(args)).to(
        accelerator.device, precision(args.prior_generation_precision, accelerator.device)
    )
    own = range(present, args.num_class_images)[accelerator.process_index :: accelerator.num_processes]
    bar = tqdm(total=len(own), desc=f'drawing "{prompt}"', unit=" images", disable=not accelerator.is_main_process)
    for start in range(0, len(own), args.sample_batch_size):
        numbers = own[start : start + args.sample_batch_size]
        pictures = pipeline(
            [prompt] * len(numbers),
            num_inference_steps=args.num_inference_steps,
            generator=[draw(args.seed, number, STREAM) for number in numbers],
            output_type="np",
        ).images
        for number, picture in zip(numbers, pictures, strict=True):
            _write(folder, number, Image.fromarray((picture * 255).round().astype(np.uint8)))
        bar.update(len(numbers))
    bar.close()
    accelerator.wait_for_everyone()


def _write(folder: Path, number: int, picture: Image.Image) -> None:
    name = f"{number:05d}-{hashlib.sha256(picture.tobytes()).hexdigest()[:12]}.png"
    with whole_file(folder / name) as temporary:
        picture.save(temporary, format="PNG")
