"""Pictures and latents moved alike: whole cells are plain shifts, sizes are about the middle, most are left alone."""

from __future__ import annotations

import pytest
import torch

from server_distill.default_model.moved_views import FURTHEST, LARGEST, SMALLEST, is_moved, moved, random_views


def view(size: float = 1.0, x: float = 0.0, y: float = 0.0) -> torch.Tensor:
    return torch.tensor([[[1 / size, 0, x], [0, 1 / size, y]]])


@pytest.fixture
def picture() -> torch.Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_nothing_moves_where_the_view_is_the_picture(picture: torch.Tensor) -> None:
    assert not is_moved(view()).any()
    torch.testing.assert_close(moved(picture, view()), picture)


@pytest.mark.parametrize("side", [32, 4])
def test_a_shift_is_the_same_part_of_any_resolution(side: int) -> None:
    """A quarter of the side: 8 pixels of the picture, one cell of latents an eighth as large."""
    images = torch.rand(1, 2, side, side, generator=torch.Generator().manual_seed(1))
    seen = moved(images, view(x=0.5))
    quarter = side // 4
    torch.testing.assert_close(seen[..., :-quarter], images[..., quarter:], atol=1e-5, rtol=0)  # bicubic's rounding
    torch.testing.assert_close(seen[..., -quarter:], images[..., -1:].expand(1, 2, side, quarter), atol=1e-5, rtol=0)


def test_twice_the_size_shows_the_middle() -> None:
    images = torch.zeros(1, 1, 32, 32)
    images[..., 8:24, 8:24] = 1
    seen = moved(images, view(size=2))
    assert (seen[..., 2:-2, 2:-2] - 1).abs().max() < 0.1  # bicubic overshoots beside the edge
    assert is_moved(view(size=2)).all()


def test_views_are_drawn_within_their_bounds() -> None:
    views = random_views(4000, 0.5, torch.Generator().manual_seed(2))
    chosen = is_moved(views)
    assert not chosen[0]
    assert 0.46 < chosen.float().mean() < 0.54  # four standard deviations of 4,000 draws
    shift, size = views[chosen][:, :, 2], 1 / views[chosen][:, 0, 0]
    assert shift.abs().max() <= FURTHEST and shift.abs().max() > 0.95 * FURTHEST
    assert size.min() >= SMALLEST - 1e-6 and size.max() <= LARGEST + 1e-6
    assert torch.equal(views[:, 0, 0], views[:, 1, 1]) and not views[:, 0, 1].any() and not views[:, 1, 0].any()
    assert torch.equal(views, random_views(4000, 0.5, torch.Generator().manual_seed(2)))
    assert not is_moved(random_views(50, 0, torch.Generator())).any()
