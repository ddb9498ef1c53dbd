"""Pictures in the C++ core: resizing against Pillow, cropping, 8-bit conversion."""

from __future__ import annotations

import ctypes
from ctypes import c_int, c_size_t, c_void_p

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
INVALID_ARGUMENT, BAD_PHOTO = 1, 12
BILINEAR, BICUBIC, LANCZOS3 = range(3)
PILLOW_FILTERS = {
    BILINEAR: Image.Resampling.BILINEAR,
    BICUBIC: Image.Resampling.BICUBIC,
    LANCZOS3: Image.Resampling.LANCZOS,
}
FILTER = st.sampled_from(list(PILLOW_FILTERS))
SIDE = st.integers(1, 70)
SEED = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def core(testing_library: ctypes.CDLL) -> ctypes.CDLL:
    """The test library with argument types."""
    lib = testing_library
    lib.lkt_resize.argtypes = [c_void_p, *[c_int] * 5, c_void_p]
    photo = (c_void_p, c_int, c_int, c_int, c_size_t)
    lib.lkt_image_from_photo.argtypes = [*photo, c_void_p]
    lib.lkt_centre_square_from_photo.argtypes = [*photo, c_int, c_int, c_void_p]
    lib.lkt_image_to_rgb8.argtypes = [c_void_p, c_int, c_int, c_void_p]
    lib.lkt_crop.argtypes = [c_void_p, *[c_int] * 6, c_void_p]
    lib.lkt_centre_square.argtypes = lib.lkt_flip_horizontal.argtypes = [*(c_void_p, c_int, c_int, c_void_p)]
    return lib


def resize(core: ctypes.CDLL, image: Floats, height: int, width: int, kind: int) -> Floats:
    """(3, H, W) -> (3, height, width)."""
    out = np.full((3, height, width), np.nan, np.float32)
    _, old_height, old_width = image.shape
    sizes = (old_height, old_width, height, width, kind)
    assert core.lkt_resize(image.ctypes.data, *sizes, out.ctypes.data) == 0
    return out


def to_rgb8(core: ctypes.CDLL, image: Floats) -> Bytes:
    """(3, H, W) in -1..1 -> (H, W, 3) bytes."""
    _, height, width = image.shape
    out = np.zeros((height, width, 3), np.uint8)
    assert core.lkt_image_to_rgb8(image.ctypes.data, height, width, out.ctypes.data) == 0
    return out


def from_rgb8(core: ctypes.CDLL, photo: Bytes) -> Floats:
    """(H, W, 3 or 4) bytes, rows maybe padded -> (3, H, W) in -1..1."""
    height, width, depth = photo.shape
    out = np.full((3, height, width), np.nan, np.float32)
    arguments = (photo.ctypes.data, width, height, depth, photo.strides[0], out.ctypes.data)
    assert core.lkt_image_from_photo(*arguments) == 0
    return out


def random_photo(seed: int, height: int, width: int, depth: int = 3) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (height, width, depth), np.uint8)


def gentle_photo(height: int, width: int) -> Bytes:
    """A picture without extreme levels next to each other, as photos mostly are."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [np.sin(x / (5 + c) + c) * np.cos(y / (7 - c)) for c in range(3)]
    noise = np.random.default_rng(0).uniform(-20, 20, (height, width, 3))
    return (127.5 + 70 * np.stack(waves, -1) + noise).astype(np.uint8)


@settings(max_examples=120, deadline=None)
@given(SIDE, SIDE, SIDE, SIDE, FILTER, SEED)
def test_resize_equals_pillow_in_float(
    core: ctypes.CDLL,
    height: int,
    width: int,
    new_height: int,
    new_width: int,
    kind: int,
    seed: int,
) -> None:
    image = np.random.default_rng(seed).uniform(-1, 1, (3, height, width)).astype(np.float32)
    found = resize(core, image, new_height, new_width, kind)
    size = (new_width, new_height)
    expected = [Image.fromarray(c).resize(size, PILLOW_FILTERS[kind]) for c in image]
    # Pillow sums in double, the core in float: up to 6 * 70 taps of weights that sum to 1 (their
    # absolute values to 1.5), each product rounded at 6e-8.
    clipped = np.clip(np.stack([np.asarray(c) for c in expected]), -1, 1)
    np.testing.assert_allclose(found, clipped, rtol=0, atol=5e-6)


@pytest.mark.parametrize("kind", PILLOW_FILTERS)
@pytest.mark.parametrize("size", [(64, 64), (97, 31), (512, 300), (200, 400), (700, 719)])
def test_resize_equals_pillow_in_bytes(core: ctypes.CDLL, kind: int, size: tuple[int, int]) -> None:
    """Pillow rounds to bytes between its two passes, which may move a level by one."""
    photo = gentle_photo(300, 400)
    found = to_rgb8(core, resize(core, from_rgb8(core, photo), size[1], size[0], kind))
    expected = np.asarray(Image.fromarray(photo).resize(size, PILLOW_FILTERS[kind]))
    assert abs(found.astype(int) - expected.astype(int)).max() <= 1


@given(SIDE, SIDE, FILTER, SEED)
def test_resize_to_the_same_size_changes_nothing(
    core: ctypes.CDLL, height: int, width: int, kind: int, seed: int
) -> None:
    image = from_rgb8(core, random_photo(seed, height, width))
    # sinc(1) is 4e-17 rather than 0, so Lanczos may be off by a rounding.
    np.testing.assert_allclose(resize(core, image, height, width, kind), image, rtol=0, atol=1e-7)


@settings(max_examples=80, deadline=None)
@given(SIDE, SIDE, st.sampled_from([3, 4]), st.integers(0, 5), SIDE, FILTER, SEED)
def test_a_photo_is_squared_as_if_in_steps(
    core: ctypes.CDLL,
    height: int,
    width: int,
    depth: int,
    padding: int,
    size: int,
    kind: int,
    seed: int,
) -> None:
    padded = random_photo(seed, height, width + padding, depth)
    photo = padded[:, :width]
    found = np.full((3, size, size), np.nan, np.float32)
    arguments = (photo.ctypes.data, width, height, depth, photo.strides[0], size, kind)
    assert core.lkt_centre_square_from_photo(*arguments, found.ctypes.data) == 0

    image = from_rgb8(core, photo)
    np.testing.assert_allclose(
        image, photo[..., :3].transpose(2, 0, 1).astype(np.float64) / 127.5 - 1, rtol=0, atol=1e-7
    )
    side = min(height, width)
    square = np.full((3, side, side), np.nan, np.float32)
    assert core.lkt_centre_square(image.ctypes.data, height, width, square.ctypes.data) == 0
    top, left = (height - side) // 2, (width - side) // 2
    np.testing.assert_array_equal(square, image[:, top : top + side, left : left + side])
    np.testing.assert_array_equal(found, resize(core, square, size, size, kind))


@given(SIDE, SIDE, SEED)
def test_bytes_survive_the_round_trip(core: ctypes.CDLL, height: int, width: int, seed: int) -> None:
    photo = random_photo(seed, height, width)
    np.testing.assert_array_equal(to_rgb8(core, from_rgb8(core, photo)), photo)


def test_what_is_no_colour_is_clipped(core: ctypes.CDLL) -> None:
    values = [-np.inf, -7, -1, 0, 1, 7, np.inf, np.nan]
    image = np.tile(np.array(values, np.float32), (3, 1, 1))
    assert to_rgb8(core, image)[0, :, 1].tolist() == [0, 0, 0, 128, 255, 255, 255, 0]


@given(SIDE, SIDE, SEED)
def test_flip(core: ctypes.CDLL, height: int, width: int, seed: int) -> None:
    image = from_rgb8(core, random_photo(seed, height, width))
    out = np.empty_like(image)
    assert core.lkt_flip_horizontal(image.ctypes.data, height, width, out.ctypes.data) == 0
    np.testing.assert_array_equal(out, image[:, :, ::-1])


@given(st.tuples(*[st.integers(-3, 12)] * 4), st.integers(1, 10), st.integers(1, 10))
def test_crop(core: ctypes.CDLL, window: tuple[int, int, int, int], height: int, width: int) -> None:
    image = from_rgb8(core, random_photo(0, height, width))
    top, left, new_height, new_width = window
    out = np.full((3, max(new_height, 0), max(new_width, 0)), np.nan, np.float32)
    fits = (
        *(top >= 0, left >= 0, new_height > 0, new_width > 0),
        *(top + new_height <= height, left + new_width <= width),
    )
    status = core.lkt_crop(image.ctypes.data, height, width, *window, out.ctypes.data)
    if all(fits):
        assert status == 0
        expected = image[:, top : top + new_height, left : left + new_width]
        np.testing.assert_array_equal(out, expected)
    else:
        assert status == INVALID_ARGUMENT


def test_bad_photos_are_errors(core: ctypes.CDLL) -> None:
    photo, out = random_photo(0, 4, 4), np.zeros((3, 4, 4), np.float32)
    at, to = photo.ctypes.data, out.ctypes.data
    for arguments in ((None, 4, 4, 3, 12), (at, 0, 4, 3, 12), (at, 4, -1, 3, 12)):
        assert core.lkt_image_from_photo(*arguments, to) == BAD_PHOTO
    for arguments in ((at, 40000, 1, 3, 120000), (at, 1, 2**31 - 1, 3, 3)):
        assert core.lkt_image_from_photo(*arguments, to) == BAD_PHOTO
    for arguments in ((at, 4, 4, 1, 12), (at, 4, 4, 5, 20), (at, 4, 4, 3, 11), (at, 4, 4, 4, 15)):
        assert core.lkt_image_from_photo(*arguments, to) == BAD_PHOTO
    assert core.lkt_centre_square_from_photo(at, 4, 4, 3, 12, 0, 0, to) == INVALID_ARGUMENT
    assert core.lkt_resize(to, 4, 4, -1, 4, 0, to) == INVALID_ARGUMENT
    assert core.lkt_resize(to, 4, 4, 4, 2**31 - 1, 0, to) == INVALID_ARGUMENT
