"""Pictures that the autoencoder learns from: scenes of the catalogue, and of things that no caption has a word for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from server_distill.default_model.objects import (
    load_cutout,
    pictures_beyond_the_catalogue,
    read_catalogue,
    read_cutout,
)
from server_distill.default_model.scenes import as_pixels, caption, random_scene, random_tint

UNNAMED = 0.25
"""Share of pictures of things that no caption has a word for, so that subjects, too, are painted as they are."""
OBJECT_WEIGHT = 3.0
"""Of pixels of the object in the squared and absolute errors."""


class PaintingBatch(NamedTuple):
    """pixels (B, 3, H, W) in −1…1, their weight (B, 1, H, W) of mean 1, captions, empty for unnamed things."""

    pixels: Tensor
    weight: Tensor
    captions: list[str]


class PaintingExamples:
    """Random scenes. Raises FileNotFoundError where `make data` has not been run."""

    def __init__(self) -> None:
        self.items = read_catalogue("train")
        self.cutouts = [load_cutout(item) for item in self.items]
        self.unnamed = pictures_beyond_the_catalogue()

    def batch(self, rng: np.random.Generator, size: int, device: torch.device) -> PaintingBatch:
        """`size` pictures, as `rng` has them."""
        scenes, captions = [], []
        for _ in range(size):
            if rng.random() < UNNAMED:
                cutout = read_cutout(self.unnamed[int(rng.integers(len(self.unnamed)))])
                scenes.append(random_scene(cutout, rng))
                captions.append("")
            else:
                row = int(rng.integers(len(self.items)))
                scenes.append(random_scene(self.cutouts[row], rng, tint=random_tint(self.items[row], rng)))
                captions.append(caption(self.items[row], scenes[-1], rng))
        pixels = as_pixels(np.stack([scene.pixels for scene in scenes]))
        weight = 1 + (OBJECT_WEIGHT - 1) * torch.from_numpy(np.stack([scene.coverage for scene in scenes]))[:, None]
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return PaintingBatch(pixels.to(device), (weight / weight.mean()).to(device), captions)
