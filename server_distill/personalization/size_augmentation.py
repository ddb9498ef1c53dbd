"""Views of a picture as Custom Diffusion draws them (Kumari et al. 2023, appendix: training details).

A photo is scaled to between a third and 1.4 times the resolution; where it does not fill the view the rest is grey and
left out of the loss, and the prompt says "far away" or "zoomed in" as it is. Lengths are pixels, unless called cells:
latent pixels. Everything random comes from the generator that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

SMALL_SHARE = 0.66
"""How often the picture is scaled down, and not up."""
FAR, NEAR = ("a far away ", "very small "), ("zoomed in ", "close up ")


@dataclass(frozen=True)
class View:
    """Pixels float32 (3, S, S) in −1…1, mask float32 (h, w) with 1 where the loss counts, and the prompt."""

    pixels: Tensor
    mask: Tensor
    prompt: str


def integer(low: int, high: int, generator: Generator) -> int:
    """Evenly in low … high − 1."""
    return int(torch.randint(low, high, (1,), generator=generator).item())


def chance(share: float, generator: Generator) -> bool:
    return torch.rand(1, generator=generator).item() < share


def draw_scale(size: int, generator: Generator) -> int:
    """Side of the scaled picture: ⅓…1 of `size` two times in three, else 1.2…1.4 of it."""
    if chance(SMALL_SHARE, generator):
        return integer(size // 3, size + 1, generator)
    return integer(int(1.2 * size), int(1.4 * size), generator)


def caption_words(scale: int, size: int, generator: Generator) -> str:
    """What is put before the prompt; empty where the picture about fills the view."""
    words = FAR if scale < 0.6 * size else NEAR if scale > size else None
    return "" if words is None else words[integer(0, len(words), generator)]


def valid_cells(start: int, length: int, factor: int) -> slice:
    """Cells of `factor` pixels wholly inside pixels start … start + length − 1, less one at either end, which the
    encoder's receptive field mixes with the grey; of a picture too small for that, the one in its middle.
    """
    first, last = start // factor + 1, (start + length) // factor - 1
    if first >= last:
        first = (start + length // 2) // factor
        last = first + 1
    return slice(first, last)


def to_pixels(picture: Image.Image) -> Tensor:
    """RGB (3, H, W) float32 in −1…1."""
    return torch.from_numpy(np.array(picture, dtype=np.float32)).permute(2, 0, 1) / 127.5 - 1


def scaled_view(picture: Image.Image, prompt: str, scale: int, size: int, cells: int, generator: Generator) -> View:
    """`picture` as a square of side `scale`, somewhere in a view of side `size` with `cells`² latent pixels."""
    room = abs(scale - size) + 1
    top, left = integer(0, room, generator), integer(0, room, generator)
    square = to_pixels(picture.resize((scale, scale), Image.Resampling.BILINEAR))
    if scale > size:
        pixels, mask = square[:, top : top + size, left : left + size].contiguous(), torch.ones(cells, cells)
    else:
        pixels, mask = torch.zeros(3, size, size), torch.zeros(cells, cells)
        pixels[:, top : top + scale, left : left + scale] = square
        mask[valid_cells(top, scale, size // cells), valid_cells(left, scale, size // cells)] = 1
    return View(pixels, mask, caption_words(scale, size, generator) + prompt)


def mirrored(picture: Image.Image, generator: Generator) -> Image.Image:
    """Half of the time."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if chance(0.5, generator) else picture


def centre_square(picture: Image.Image) -> Image.Image:
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))


def shorter_side_to(picture: Image.Image, size: int) -> Image.Image:
    short, long = min(picture.size), max(picture.size)
    other = int(size * long / short)
    wanted = (size, other) if picture.width <= picture.height else (other, size)
    return picture if picture.size == wanted else picture.resize(wanted, Image.Resampling.BILINEAR)


def cropped_view(
    picture: Image.Image, prompt: str, size: int, cells: int, generator: Generator, center_crop: bool
) -> View:
    """A square of side `size` out of the picture, its shorter side scaled to that; all of it counts."""
    picture = shorter_side_to(picture, size)
    left, top = (picture.width - size) // 2, (picture.height - size) // 2
    if not center_crop:
        top = integer(0, picture.height - size + 1, generator)
        left = integer(0, picture.width - size + 1, generator)
    pixels = to_pixels(picture.crop((left, top, left + size, top + size)))
    return View(pixels, torch.ones(cells, cells), prompt)
