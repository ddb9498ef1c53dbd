"""Views: what is picture, what is grey, what counts in the loss, and the words that say so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from server_distill.personalization import size_augmentation as sa

FACTOR = 8


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """No value is the grey that lies around a scaled picture."""
    return Image.fromarray(np.random.default_rng(seed).integers(200, 256, (height, width, 3), dtype=np.uint8))


@given(st.integers(4, 128), st.integers(0, 2**32 - 1))
def test_scales_and_words_agree(cells: int, seed: int) -> None:
    size, g = cells * FACTOR, generator(seed)
    scale = sa.draw_scale(size, g)
    assert size // 3 <= scale <= size or int(1.2 * size) <= scale < int(1.4 * size)
    words = sa.caption_words(scale, size, g)
    expected = sa.FAR if scale < 0.6 * size else sa.NEAR if scale > size else ("",)
    assert words in expected


def test_two_of_three_pictures_are_scaled_down() -> None:
    g = generator(0)
    scales = torch.tensor([sa.draw_scale(512, g) for _ in range(4000)])
    assert (scales <= 512).float().mean().item() == pytest.approx(0.66, abs=0.03)
    down = scales[scales <= 512].float()
    assert down.min() < 180 and down.max() > 503 and down.mean().item() == pytest.approx((170 + 512) / 2, abs=8)


@given(st.integers(0, 600), st.integers(1, 600))
def test_valid_cells_are_those_of_the_field(start: int, length: int) -> None:
    """One cell inside either end, where that leaves any; never none, which would divide the loss by zero."""
    cells = sa.valid_cells(start, length, FACTOR)
    first, last = start // FACTOR + 1, (start + length) // FACTOR - 1
    if first < last:
        assert (cells.start, cells.stop) == (first, last)
        assert cells.start * FACTOR >= start and cells.stop * FACTOR <= start + length
    assert cells.stop - cells.start >= 1
    assert cells.start <= (start + length // 2) // FACTOR < max(cells.stop, cells.start + 1) + 1


@settings(deadline=None, max_examples=60)
@given(st.integers(4, 12), st.integers(20, 90), st.integers(20, 90), st.integers(0, 1000), st.booleans())
def test_a_scaled_view(cells: int, width: int, height: int, seed: int, up: bool) -> None:
    size = cells * FACTOR
    scale = int(1.3 * size) if up else sa.integer(size // 3, size + 1, generator(seed))
    picture = noise(width, height, seed)
    view = sa.scaled_view(picture, "a cat", scale, size, cells, generator(seed))
    assert view.pixels.shape == (3, size, size) and view.mask.shape == (cells, cells)
    assert view.prompt.endswith("a cat")
    g = generator(seed)
    top, left = (sa.integer(0, abs(scale - size) + 1, g) for _ in range(2))
    square = np.asarray(picture.resize((scale, scale), Image.Resampling.BILINEAR)) / 127.5 - 1
    expected = np.zeros((size, size, 3))
    if scale > size:
        expected = square[top : top + size, left : left + size]
        assert (view.mask == 1).all()
    else:
        expected[top : top + scale, left : left + scale] = square
    np.testing.assert_allclose(view.pixels.permute(1, 2, 0).numpy(), expected, atol=1e-6)
    assert set(view.mask.unique().tolist()) <= {0.0, 1.0} and view.mask.sum() >= 1
    counted = view.mask.repeat_interleave(FACTOR, 0).repeat_interleave(FACTOR, 1).bool()
    if scale >= 4 * FACTOR:  # else a single cell, partly grey
        assert (view.pixels[:, counted] != 0).all()


@settings(deadline=None, max_examples=60)
@given(st.integers(10, 90), st.integers(10, 90), st.integers(0, 1000), st.booleans())
def test_a_cropped_view_is_all_picture(width: int, height: int, seed: int, center: bool) -> None:
    view = sa.cropped_view(noise(width, height), "cat", 32, 4, generator(seed), center)
    assert view.pixels.shape == (3, 32, 32)
    assert (view.pixels > 0).all() and (view.mask == 1).all() and view.prompt == "cat"


def test_crops_lie_where_they_should() -> None:
    ramp = Image.fromarray(np.tile(np.arange(128, dtype=np.uint8)[None, :, None], (32, 1, 3)))
    middle = sa.cropped_view(ramp, "", 32, 4, generator(0), True).pixels
    assert ((middle[0, 0] + 1) * 127.5).round().tolist() == list(range(48, 80))
    starts = {
        round((sa.cropped_view(ramp, "", 32, 4, generator(i), False).pixels[0, 0, 0].item() + 1) * 127.5)
        for i in range(300)
    }
    assert min(starts) < 5 and max(starts) > 91


def test_half_are_mirrored_and_the_same_generator_gives_the_same_view() -> None:
    picture = noise(20, 20)
    g = generator(1)
    mirrored = [np.asarray(sa.mirrored(picture, g)) for _ in range(400)]
    flipped = sum(np.array_equal(m, np.asarray(picture)[:, ::-1]) for m in mirrored)
    assert 150 < flipped < 250
    assert all(
        np.array_equal(m, np.asarray(picture)) or np.array_equal(m[:, ::-1], np.asarray(picture)) for m in mirrored
    )
    views = [sa.scaled_view(picture, "p", 40, 64, 8, generator(9)) for _ in range(2)]
    assert torch.equal(views[0].pixels, views[1].pixels) and views[0].prompt == views[1].prompt


def test_the_middle_square() -> None:
    ramp = Image.fromarray(np.tile(np.arange(100, dtype=np.uint8)[:, None, None], (1, 40, 3)))
    assert np.asarray(sa.centre_square(ramp))[:, 0, 0].tolist() == list(range(30, 70))
