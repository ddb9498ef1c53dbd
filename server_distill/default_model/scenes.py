"""Captioned pictures: one object composed onto one background."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

from server_distill.default_model.backgrounds import COLOURS, PAINTERS, PREPOSITIONS, paint
from server_distill.default_model.objects import PictureObject

SMALL, LARGE = 0.70, 0.86
"""Relative sizes (longest side over picture side) below and above which a caption may say so."""
MIRRORED = 0.1
"""Share of mirrored objects. Captions always say it: unsaid, a network draws the mean of both sides."""
TINTED = 0.3
"""Share of training pictures whose object has a colour of its caption's choice instead of its own."""


@dataclass(frozen=True)
class Placement:
    """Where the object stands: relative size, centre offset in −1…1 of the free room, and whether it is mirrored."""

    size: float
    x: float
    y: float
    flip: bool


@dataclass(frozen=True)
class Scene:
    """A picture uint8 (size, size, 3), the object's coverage float32 (size, size) in 0…1, and what it shows."""

    pixels: np.ndarray
    coverage: np.ndarray
    background: str
    placement: Placement
    tint: str | None = None


def random_placement(rng: np.random.Generator) -> Placement:
    """Objects fill 62–92 % of the picture, anywhere they fit, mostly near the middle."""
    x, y = np.clip(rng.normal(0, 0.45, 2), -1, 1)
    return Placement(float(rng.uniform(0.62, 0.92)), float(x), float(y), bool(rng.random() < MIRRORED))


def random_tint(item: PictureObject, rng: np.random.Generator) -> str | None:
    """A colour for `item`, or None for its own; objects whose name is of a colour keep theirs."""
    draw, name = rng.random(), str(rng.choice(list(COLOURS)))
    return name if draw < TINTED and not any(colour in item.name for colour in COLOURS) else None


def tinted(cutout: Image.Image, tint: str | None) -> Image.Image:
    """`cutout` (RGBA) in shades of one colour, its light and dark kept; None leaves it as it is."""
    if tint is None:
        return cutout
    pixels = np.asarray(cutout).astype(np.float32)
    light = pixels[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    shades = np.asarray(COLOURS[tint], np.float32) * (0.3 + 1.1 * light)[..., None] + 0.12 * (light**4)[..., None]
    pixels[..., :3] = 255 * np.clip(shades, 0, 1) * 0.85 + pixels[..., :3] * 0.15
    return Image.fromarray(pixels.astype(np.uint8), "RGBA")


def compose(
    cutout: Image.Image, background: str, placement: Placement, rng: np.random.Generator, size: int = 128
) -> Scene:
    """Paste `cutout` (RGBA) onto a fresh painting of `background`."""
    canvas = paint(background, rng, size)
    scale = placement.size * size / max(cutout.size)
    width, height = (max(1, round(side * scale)) for side in cutout.size)
    small = np.asarray(
        cutout.resize((width, height), Image.Resampling.BOX if scale < 0.4 else Image.Resampling.BICUBIC)
    )
    if placement.flip:
        small = small[:, ::-1]
    left = round((size - width) * (placement.x + 1) / 2)
    top = round((size - height) * (placement.y + 1) / 2)
    alpha = small[..., 3:].astype(np.float32) / 255
    window = canvas[top : top + height, left : left + width]
    window += alpha * (small[..., :3].astype(np.float32) / 255 - window)
    coverage = np.zeros((size, size), np.float32)
    coverage[top : top + height, left : left + width] = alpha[..., 0]
    return Scene((canvas * 255 + 0.5).astype(np.uint8), coverage, background, placement)


def as_pixels(pictures: np.ndarray) -> torch.Tensor:
    """uint8 (N, H, W, 3) as float32 (N, 3, H, W) in −1…1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def random_scene(cutout: Image.Image, rng: np.random.Generator, size: int = 128, tint: str | None = None) -> Scene:
    """The object somewhere on a background drawn evenly from all of them."""
    scene = compose(tinted(cutout, tint), str(rng.choice(list(PAINTERS))), random_placement(rng), rng, size)
    return replace(scene, tint=tint)


def place_words(background: str) -> str:
    """ "on grass", "in the sea", "in front of a brick wall"."""
    return f"{PREPOSITIONS.get(background, 'on')} {background}"


def with_article(words: str) -> str:
    """ "a cow", "an owl"."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def caption(item: PictureObject, scene: Scene, rng: np.random.Generator) -> str:
    """A templated caption. One in seven calls the object by its class, one in thirty by its family."""
    draw = rng.random()
    noun = item.family if draw < 0.03 else item.class_name if draw < 0.17 else item.name
    placement = scene.placement
    if scene.tint:
        noun = f"{scene.tint} {noun}"
    if placement.flip:
        noun = f"mirrored {noun}"
    if placement.size < SMALL and rng.random() < 0.5:
        noun = f"small {noun}"
    elif placement.size > LARGE and rng.random() < 0.5:
        noun = f"big {noun}"
    lead = rng.choice(["a photo of ", "a picture of ", ""], p=[0.5, 0.2, 0.3])
    text = f"{lead}{with_article(noun)} {place_words(scene.background)}"
    room = 1 - placement.size
    if abs(placement.x) * room > 0.16 and rng.random() < 0.6:
        text += f", to the {'left' if placement.x < 0 else 'right'}"
    return text
