"""Square views of pictures of any shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class Views:
    """How pictures become square: cropped in the centre or in `count` places, each mirrored as well with `flip`."""

    resolution: int
    center_crop: bool
    flip: bool
    count: int = 1

    def total(self) -> int:
        return (1 if self.center_crop else self.count) * (2 if self.flip else 1)

    def of(self, picture: Image.Image, seed: int) -> Tensor:
        """float32 (V, 3, H, W) in −1…1; the places are a function of `seed`."""
        side = self.resolution
        scale = side / min(picture.size)
        size = [max(side, round(length * scale)) for length in picture.size]
        pixels = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
        room_y, room_x = pixels.shape[0] - side, pixels.shape[1] - side
        if self.center_crop:
            places = [(room_y // 2, room_x // 2)]
        else:
            rng = np.random.default_rng(seed)
            places = [(int(rng.integers(room_y + 1)), int(rng.integers(room_x + 1))) for _ in range(self.count)]
        crops = [pixels[top : top + side, left : left + side] for top, left in places]
        if self.flip:
            crops += [crop[:, ::-1] for crop in crops]
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 127.5 - 1
