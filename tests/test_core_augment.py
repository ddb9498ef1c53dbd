"""Custom Diffusion's augmentation in the C++ core."""

from __future__ import annotations

import ctypes
import math
from collections import Counter
from ctypes import c_int, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

Floats = npt.NDArray[np.float32]
INVALID_ARGUMENT = 1
FAR, CLOSE = {"a far away ", "very small "}, {"zoomed in ", "close up "}


@pytest.fixture(scope="module")
def core(testing_library: ctypes.CDLL) -> ctypes.CDLL:
    """The test library with argument types."""
    testing_library.lkt_augment.argtypes = [
        *(c_void_p, c_int, c_int, c_int, c_int, c_int, c_int, c_uint64, c_uint32),
        *(c_void_p, c_void_p, c_void_p, c_void_p),
    ]
    return testing_library


@dataclass
class View:
    """One augmented view: pixels (3, R, R), mask (R / factor, R / factor)."""

    pixels: Floats
    mask: Floats
    prefix: str
    flipped: bool


def augment(
    core: ctypes.CDLL,
    source: Floats,
    resolution: int = 64,
    factor: int = 8,
    *,
    hflip: bool = True,
    sizes: bool = True,
    seed: int = 0,
    index: int = 0,
) -> View:
    pixels = np.full((3, resolution, resolution), np.nan, np.float32)
    cells = resolution // factor
    mask = np.full((cells, cells), np.nan, np.float32)
    prefix, flipped = ctypes.create_string_buffer(32), c_int()
    _, height, width = source.shape
    status = core.lkt_augment(
        *(source.ctypes.data, height, width, resolution, factor, hflip, sizes, seed, index),
        *(pixels.ctypes.data, mask.ctypes.data, prefix, ctypes.byref(flipped)),
    )
    assert status == 0
    return View(pixels, mask, prefix.value.decode(), bool(flipped.value))


def photo_box(pixels: Floats) -> tuple[int, int, int]:
    """Top, left and side of what is not canvas. Needs a source that is nowhere grey."""
    rows = np.flatnonzero((pixels != 0).all(0).any(1))
    columns = np.flatnonzero((pixels != 0).all(0).any(0))
    assert len(rows) == len(columns)
    return int(rows[0]), int(columns[0]), len(rows)


def bright_source(side: int = 96) -> Floats:
    """Nowhere grey, and different in every place and when mirrored."""
    y, x = np.mgrid[0:side, 0:side] / side
    return np.stack([0.2 + 0.7 * x, 0.2 + 0.7 * y, 0.5 + 0.3 * x * y]).astype(np.float32)


def pillow_resize(image: Floats, side: int) -> Floats:
    """The oracle for scaling; a smooth source never overshoots -1..1."""
    bands = [Image.fromarray(c).resize((side, side), Image.Resampling.BICUBIC) for c in image]
    return np.stack([np.asarray(band) for band in bands])


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([(64, 8), (64, 4), (96, 8), (128, 8), (40, 8), (16, 8), (24, 2)]),
    st.booleans(),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
)
def test_pixels_mask_and_caption_tell_the_same(
    core: ctypes.CDLL, sizes: tuple[int, int], hflip: bool, seed: int, index: int
) -> None:
    resolution, factor = sizes
    source = bright_source()
    view = augment(core, source, resolution, factor, hflip=hflip, seed=seed, index=index)
    assert view.flipped <= hflip
    mirrored = source[:, :, ::-1].copy() if view.flipped else source
    assert set(np.unique(view.mask)) <= {0.0, 1.0}
    assert view.mask.any()
    top, left, side = photo_box(view.pixels)

    if view.prefix in CLOSE:
        assert side == resolution
        assert view.mask.all()
        # Which crop of which enlargement: the red ramp runs over 0.7 of the photo's width.
        shown = view.pixels[0, 0, -1] - view.pixels[0, 0, 0]
        scale = 0.7 * (resolution - 1) / abs(shown)
        assert 1.1 * resolution < scale < 1.5 * resolution
        return
    assert side >= max(1, resolution // 3)
    assert (view.prefix in FAR) == (side < 0.6 * resolution)
    assert view.prefix in FAR | {""}
    expected = np.zeros_like(view.pixels)
    expected[:, top : top + side, left : left + side] = pillow_resize(mirrored, side)
    # The mirrored sum runs the other way round: a few roundings of float.
    np.testing.assert_allclose(view.pixels, expected, rtol=0, atol=2e-6)

    if side == resolution:
        assert view.mask.all()
        return
    cells = np.zeros_like(view.mask)
    rows = slice(top // factor + 1, (top + side) // factor - 1)
    columns = slice(left // factor + 1, (left + side) // factor - 1)
    cells[rows, columns] = 1
    if cells.any():  # the published rule; where it leaves nothing, the core keeps what it can
        np.testing.assert_array_equal(view.mask, cells)
    for start, kept in ((top, view.mask.max(1) > 0), (left, view.mask.max(0) > 0)):
        edges = np.arange(len(kept)) * factor
        whole = (start <= edges) & (edges + factor <= start + side)
        touched = (start < edges + factor) & (edges < start + side)
        assert not (kept & ~(whole if whole.any() else touched)).any()


def test_scales_captions_and_flips_are_as_frequent_as_published(core: ctypes.CDLL) -> None:
    n, source = 3000, bright_source(32)
    views = [augment(core, source, seed=1, index=i) for i in range(n)]

    def close_to(count: int, probability: float) -> bool:  # five standard deviations
        return abs(count - n * probability) < 5 * math.sqrt(n * probability * (1 - probability))

    prefixes = Counter(view.prefix for view in views)
    # Shrunk (66 %) scales are 21..64; those under 0.6 * 64 = 38.4 are 18 of 44.
    for prefix in FAR:
        assert close_to(prefixes[prefix], 0.66 * 18 / 44 / 2)
    for prefix in CLOSE:
        assert close_to(prefixes[prefix], 0.34 / 2)
    assert close_to(prefixes[""], 0.66 * 26 / 44)
    assert sum(prefixes.values()) == n
    assert close_to(sum(view.flipped for view in views), 0.5)

    boxes = [photo_box(view.pixels) for view in views if view.prefix not in CLOSE]
    assert {side for _, _, side in boxes} == set(range(21, 65))
    slack = [(top / (64 - side), left / (64 - side)) for top, left, side in boxes if side < 64]
    places = np.array(slack)
    assert abs(places.mean(0) - 0.5).max() < 5 * 0.35 / math.sqrt(len(places))
    assert places.min() == 0
    assert places.max() == 1
    assert abs(np.corrcoef(places.T)[0, 1]) < 5 / math.sqrt(len(places))


def test_views_do_not_depend_on_each_other(core: ctypes.CDLL) -> None:
    source = bright_source()
    first = [augment(core, source, seed=5, index=i) for i in range(8)]
    for i in reversed(range(8)):
        again = augment(core, source, seed=5, index=i)
        assert again.pixels.tobytes() == first[i].pixels.tobytes()
        assert again.mask.tobytes() == first[i].mask.tobytes()
        assert (again.prefix, again.flipped) == (first[i].prefix, first[i].flipped)
    assert len({view.pixels.tobytes() for view in first}) == 8
    other = augment(core, source, seed=6)
    assert other.pixels.tobytes() != first[0].pixels.tobytes()


@given(st.integers(0, 2**64 - 1), st.integers(0, 1000), st.booleans())
def test_without_size_augmentation_all_of_the_photo_counts(
    core: ctypes.CDLL, seed: int, index: int, hflip: bool
) -> None:
    source = bright_source(64)
    view = augment(core, source, sizes=False, hflip=hflip, seed=seed, index=index)
    assert view.mask.all()
    assert view.prefix == ""
    expected = source[:, :, ::-1] if view.flipped else source
    np.testing.assert_array_equal(view.pixels, expected)
    # The flip is the same coin whether or not sizes change: choices do not shift each other.
    assert augment(core, source, hflip=hflip, seed=seed, index=index).flipped == view.flipped


@pytest.mark.parametrize(
    ("shape", "resolution", "factor"),
    [((3, 8, 9), 64, 8), ((3, 8, 8), 60, 8), ((3, 8, 8), 64, 0), ((3, 8, 8), 0, 8)],
)
def test_what_cannot_be_augmented_is_an_error(
    core: ctypes.CDLL, shape: tuple[int, int, int], resolution: int, factor: int
) -> None:
    source, out = np.zeros(shape, np.float32), np.zeros(3 * 64 * 64, np.float32)
    arguments = (source.ctypes.data, *shape[1:], resolution, factor, 1, 1, 0, 0)
    prefix = ctypes.create_string_buffer(32)
    status = core.lkt_augment(*arguments, out.ctypes.data, out.ctypes.data, prefix, ctypes.byref(c_int()))
    assert status == INVALID_ARGUMENT
