"""Pictures and latents moved alike: by parts of a latent's cell, and to other sizes.

An encoder's latents do not move with the picture: a shift by less than its eight pixels, or another size, gives other
numbers, so that a UNet has to learn each thing anew for every place and size. Kouzelis et al. 2025 ("EQ-VAE:
equivariance regularized latent space for improved generative image modeling") ask that moved latents decode to the
moved picture, and report that diffusion learns such latents several times faster.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

FURTHEST = 1 / 8
"""Of a side's half: one cell of 16 × 16 latents, in each direction."""
SMALLEST, LARGEST = 0.85, 1.2
"""Sizes relative to the picture's."""


def random_views(count: int, share: float, generator: torch.Generator) -> Tensor:
    """Affine maps (count, 2, 3) as `moved` takes them; about `share` of them move anything, the first never."""
    shift = (torch.rand(count, 2, generator=generator) * 2 - 1) * FURTHEST
    spread = torch.rand(count, generator=generator)
    size = torch.exp(math.log(SMALLEST) + spread * math.log(LARGEST / SMALLEST))
    still = torch.rand(count, generator=generator) >= share
    still[0] = True
    shift[still], size[still] = 0, 1
    views = torch.zeros(count, 2, 3)
    views[:, 0, 0] = views[:, 1, 1] = 1 / size
    views[:, :, 2] = shift
    return views


def is_moved(views: Tensor) -> Tensor:
    """Which of `views` (B, 2, 3) move anything: bool (B,)."""
    return (views != torch.eye(2, 3, device=views.device)).flatten(1).any(1)


def moved(images: Tensor, views: Tensor) -> Tensor:
    """Images (B, C, h, w) of any resolution as `views` (B, 2, 3) see them, their borders drawn out; float32."""
    if not is_moved(views).any():
        return images.float()
    grid = F.affine_grid(views, list(images.shape), align_corners=False)
    return F.grid_sample(images.float(), grid, mode="bicubic", padding_mode="border", align_corners=False)
