"""Backgrounds with names: plain colours, gradients and simple drawn scenes.

Each painter takes a `numpy.random.Generator` and a size in pixels and returns float32 (size, size, 3) in 0…1.
They vary a little from call to call, as photos of the same place would, and stay smooth: what is to be learned
is the objects, and a 16×16 latent has no room for fine texture.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

Array = np.ndarray
Painter = Callable[[np.random.Generator, int], Array]

COLOURS = {
    "red": (0.80, 0.16, 0.18),
    "orange": (0.95, 0.55, 0.15),
    "yellow": (0.97, 0.85, 0.30),
    "green": (0.22, 0.62, 0.30),
    "blue": (0.18, 0.38, 0.80),
    "purple": (0.50, 0.25, 0.65),
    "pink": (0.96, 0.62, 0.74),
    "brown": (0.45, 0.29, 0.18),
    "white": (0.97, 0.97, 0.97),
    "gray": (0.55, 0.55, 0.57),
    "black": (0.07, 0.07, 0.08),
}


def _jitter(rng: np.random.Generator, colour: tuple[float, float, float], amount: float) -> Array:
    return np.clip(np.asarray(colour) + rng.normal(0, amount, 3), 0, 1).astype(np.float32)


def _vertical(top: Array, bottom: Array, size: int, rows: tuple[float, float] = (0.0, 1.0)) -> Array:
    """A vertical blend from `top` to `bottom` between two relative heights."""
    y = (np.arange(size, dtype=np.float32) + 0.5) / size
    t = np.clip((y - rows[0]) / (rows[1] - rows[0]), 0, 1)[:, None, None]
    return np.broadcast_to(top * (1 - t) + bottom * t, (size, size, 3)).astype(np.float32)


def _smooth_noise(rng: np.random.Generator, size: int, cells: tuple[int, int], amount: float) -> Array:
    """Value noise (size, size, 1): a coarse random grid (rows, columns) enlarged with a bicubic filter."""
    grid = Image.fromarray(rng.normal(0, amount, cells).astype(np.float32))
    return np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC))[..., None]


def _plain(colour: tuple[float, float, float]) -> Painter:
    def paint(rng: np.random.Generator, size: int) -> Array:
        base = _jitter(rng, colour, 0.025)
        light = rng.uniform(0.94, 1.06)
        return _vertical(base * light, base * (2 - light), size)

    return paint


def _grass(rng: np.random.Generator, size: int) -> Array:
    horizon = rng.uniform(0.22, 0.38)
    sky = _vertical(_jitter(rng, (0.55, 0.78, 0.95), 0.02), _jitter(rng, (0.80, 0.91, 0.98), 0.02), size)
    green = _vertical(
        _jitter(rng, (0.50, 0.74, 0.28), 0.03), _jitter(rng, (0.25, 0.52, 0.15), 0.03), size, (horizon, 1)
    )
    green = green + _smooth_noise(rng, size, (10, 20), 0.035)
    return np.where(_below(size, horizon), green, sky)


def _sand(rng: np.random.Generator, size: int) -> Array:
    base = _vertical(_jitter(rng, (0.95, 0.86, 0.65), 0.02), _jitter(rng, (0.85, 0.71, 0.48), 0.02), size)
    y = np.linspace(0, rng.uniform(5, 8) * 2 * np.pi, size, dtype=np.float32)[:, None]
    bend = _smooth_noise(rng, size, (3, 4), 1.2)[..., 0]
    return base + 0.03 * np.sin(y + bend)[..., None]


def _sea(rng: np.random.Generator, size: int) -> Array:
    horizon = rng.uniform(0.28, 0.42)
    sky = _vertical(_jitter(rng, (0.62, 0.82, 0.96), 0.02), _jitter(rng, (0.88, 0.95, 0.99), 0.02), size, (0, horizon))
    water = _vertical(
        _jitter(rng, (0.20, 0.55, 0.75), 0.02), _jitter(rng, (0.03, 0.28, 0.52), 0.02), size, (horizon, 1)
    )
    water = water + _smooth_noise(rng, size, (16, 5), 0.03)
    return np.where(_below(size, horizon), water, sky)


def _sky(rng: np.random.Generator, size: int) -> Array:
    base = _vertical(_jitter(rng, (0.28, 0.58, 0.92), 0.02), _jitter(rng, (0.72, 0.88, 0.99), 0.02), size)
    cloud = np.clip(_smooth_noise(rng, size, (4, 4), 0.55) - 0.1, 0, 0.85)
    return base * (1 - cloud) + cloud


def _night(rng: np.random.Generator, size: int) -> Array:
    image = _vertical(_jitter(rng, (0.03, 0.04, 0.14), 0.01), _jitter(rng, (0.14, 0.13, 0.34), 0.02), size).copy()
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    for _ in range(12):
        cy, cx, radius = rng.uniform(0, size), rng.uniform(0, size), rng.uniform(0.9, 1.6) * size / 128
        image += 0.8 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * radius**2))[..., None]
    return image


def _snow(rng: np.random.Generator, size: int) -> Array:
    sky = _vertical(_jitter(rng, (0.62, 0.70, 0.80), 0.02), _jitter(rng, (0.80, 0.86, 0.92), 0.02), size)
    white = _vertical(_jitter(rng, (0.98, 0.99, 1.0), 0.01), _jitter(rng, (0.84, 0.90, 0.97), 0.02), size, (0.3, 1))
    x = np.linspace(0, 1, size, dtype=np.float32)
    hill = rng.uniform(0.28, 0.42) + 0.06 * np.sin(2 * np.pi * (x * rng.uniform(0.6, 1.4) + rng.uniform()))
    y = (np.arange(size, dtype=np.float32)[:, None] + 0.5) / size
    edge = np.clip((y - hill[None]) * size / 2, 0, 1)[..., None]
    return sky * (1 - edge) + white * edge


def _wood(rng: np.random.Generator, size: int) -> Array:
    base = _jitter(rng, (0.66, 0.44, 0.26), 0.03)
    planks = int(rng.integers(4, 6))
    row = (np.arange(size) * planks) // size
    shade = rng.normal(0, 0.045, planks)[row][:, None, None]
    grain = _smooth_noise(rng, size, (24, 3), 0.025)
    offset = (np.arange(size) * planks) % size
    seam = np.where(offset < planks * 2, -0.16, 0.0)[:, None, None]
    return base + shade + grain + seam


def _brick(rng: np.random.Generator, size: int) -> Array:
    rows, mortar = 8, 0.11
    y = np.arange(size, dtype=np.float32) * rows / size
    shift = (np.floor(y) % 2 * 0.5)[:, None]
    x = np.arange(size, dtype=np.float32)[None] * (rows / 2) / size + shift
    joint = ((y % 1 < mortar * 1.6)[:, None] | (x % 1 < mortar)).astype(np.float32)[..., None]
    shades = rng.normal(0, 0.04, (rows, rows))[np.floor(y).astype(int)[:, None], np.floor(x).astype(int)][..., None]
    wall = _jitter(rng, (0.68, 0.30, 0.22), 0.025) + shades
    return wall * (1 - joint) + _jitter(rng, (0.80, 0.74, 0.68), 0.02) * joint


def _room(rng: np.random.Generator, size: int) -> Array:
    floor_line = rng.uniform(0.62, 0.74)
    wall = _vertical(_jitter(rng, (0.93, 0.88, 0.78), 0.02), _jitter(rng, (0.86, 0.79, 0.68), 0.02), size)
    floor = _vertical(
        _jitter(rng, (0.55, 0.36, 0.24), 0.02), _jitter(rng, (0.70, 0.48, 0.33), 0.02), size, (floor_line, 1)
    )
    image = np.where(_below(size, floor_line), floor, wall).copy()
    left, top = int(rng.uniform(0.06, 0.68) * size), int(0.08 * size)
    side, frame = int(0.26 * size), max(1, size // 42)
    image[top : top + side, left : left + side] = (0.99, 0.98, 0.95)
    image[top + frame : top + side - frame, left + frame : left + side - frame] = _jitter(rng, (0.62, 0.82, 0.96), 0.02)
    return image


def _below(size: int, height: float) -> Array:
    return ((np.arange(size) + 0.5) / size > height)[:, None, None]


PAINTERS: dict[str, Painter] = {
    **{
        f"a {name} background" if name != "orange" else "an orange background": _plain(rgb)
        for name, rgb in COLOURS.items()
    },
    "grass": _grass,
    "sand": _sand,
    "the sea": _sea,
    "the sky": _sky,
    "the night sky": _night,
    "snow": _snow,
    "a wooden table": _wood,
    "a brick wall": _brick,
    "a room": _room,
}
"""From the words that a caption uses to the painter."""

PREPOSITIONS = {
    "the sea": "in",
    "the sky": "in",
    "the night sky": "in",
    "a brick wall": "in front of",
    "a room": "in",
    "snow": "in",
}
"""How captions lead up to a background; "on" where nothing else is said."""


def paint(name: str, rng: np.random.Generator, size: int = 128) -> Array:
    """The background called `name`: float32 (size, size, 3) in 0…1. Raises KeyError for an unknown name."""
    return np.clip(PAINTERS[name](rng, size), 0, 1).astype(np.float32)
