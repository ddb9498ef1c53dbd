"""Photos as people have them: formats, orientation, transparency, damage, extreme sizes."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from device_runtime.errors import BadPhotoError
from device_runtime.photos import LARGEST, find_photos, load_photo

RED, BLUE = (220, 30, 30), (30, 30, 220)


def red_and_blue(width: int = 80, height: int = 60) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def assert_left_red_right_blue(pixels: np.ndarray, tolerance: int = 12) -> None:
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    height, width, _ = pixels.shape
    for x, colour in ((width // 8, RED), (width - width // 8, BLUE)):
        assert np.abs(pixels[height // 2, x].astype(int) - colour).max() <= tolerance


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tiff", "gif", "heic"])
def test_formats(tmp_path: Path, suffix: str):
    path = tmp_path / f"photo.{suffix}"
    red_and_blue().save(path)
    assert_left_red_right_blue(load_photo(path))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int):
    """The file's pixels are turned so that EXIF turns them back."""
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    image = red_and_blue()
    image = image if undo is None else image.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    pixels = load_photo(tmp_path / "a.jpg")
    assert pixels.shape == (60, 80, 3)
    assert_left_red_right_blue(pixels)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "CMYK", "RGBA", "1", "I;16", "YCbCr"])
def test_modes(tmp_path: Path, mode: str):
    path = tmp_path / ("photo.tiff" if mode in ("CMYK", "I;16", "YCbCr") else "photo.png")
    if mode == "I;16":
        Image.fromarray(np.full((40, 40), 128 * 257, np.uint16)).save(path)
        assert np.abs(load_photo(path).astype(int) - 128).max() <= 1
        return
    red_and_blue().convert(mode).save(path)
    pixels = load_photo(path)
    assert pixels.shape == (60, 80, 3)
    if mode in ("P", "CMYK", "RGBA", "YCbCr"):
        assert_left_red_right_blue(pixels, tolerance=40)


def test_transparency_is_white(tmp_path: Path):
    image = red_and_blue().convert("RGBA")
    image.putalpha(0)
    image.save(tmp_path / "a.png")
    assert (load_photo(tmp_path / "a.png") == 255).all()
    palette = Image.new("P", (40, 40), 0)
    palette.putpalette([10, 20, 30] * 256)
    palette.save(tmp_path / "b.png", transparency=0)
    assert (load_photo(tmp_path / "b.png") == 255).all()


def test_animation_gives_its_first_frame_and_a_warning(tmp_path: Path):
    frames = [red_and_blue(), Image.new("RGB", (80, 60), (0, 255, 0))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match=r"a\.gif is animated"):
        assert_left_red_right_blue(load_photo(tmp_path / "a.gif"))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.jpg", b"", "empty"),
        ("text.jpg", b"this is not a picture", "not a picture"),
        ("missing.jpg", None, "does not exist"),
        ("cut.png", "cut", "damaged or cut short"),
        ("cut.jpg", "cut", "damaged or cut short"),
        ("cut.webp", "cut", "cut.webp"),
        ("tiny.png", (1, 1), "too small"),
        ("narrow.png", (31, 400), "too small"),
    ],
)
def test_bad_photos_are_named_and_explained(tmp_path: Path, name, content, reason):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "cut":
        noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, {"jpg": "jpeg"}.get(path.suffix[1:], path.suffix[1:]))
        path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    elif content is not None:
        Image.new("RGB", content).save(path)
    with pytest.raises(BadPhotoError, match=reason) as caught:
        load_photo(path)
    assert name in str(caught.value)


def test_random_bytes_behind_a_good_header_never_escape(tmp_path: Path):
    """Damage anywhere in a file gives a picture or a BadPhotoError, nothing else."""
    generator = np.random.default_rng(1)
    for suffix in ("png", "jpeg", "gif", "webp", "tiff"):
        buffer = io.BytesIO()
        red_and_blue().save(buffer, suffix)
        for _ in range(40):
            damaged = bytearray(buffer.getvalue())
            for _ in range(8):
                damaged[generator.integers(len(damaged))] = generator.integers(256)
            path = tmp_path / f"damaged.{suffix}"
            path.write_bytes(damaged)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    load_photo(path)
                except BadPhotoError as error:
                    assert "damaged." in str(error)


def test_a_panorama_of_30000_pixels_is_reduced(tmp_path: Path):
    red_and_blue(30000, 2000).save(tmp_path / "wide.jpg", quality=70)
    pixels = load_photo(tmp_path / "wide.jpg")
    assert max(pixels.shape) <= LARGEST
    assert_left_red_right_blue(pixels)


def test_one_that_is_far_too_narrow_is_refused(tmp_path: Path):
    Image.new("RGB", (30000, 40)).save(tmp_path / "strip.png")
    with pytest.raises(BadPhotoError, match="too narrow"):
        load_photo(tmp_path / "strip.png")


def test_48_megapixels_make_no_memory_spike(tmp_path: Path):
    """Whole it is 144 MB of RGB; decoded at a quarter it is 9."""
    red_and_blue(8000, 6000).save(tmp_path / "large.jpg", quality=60)
    code = (
        "import resource, sys\n"
        "from device_runtime.photos import load_photo\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "load_photo(sys.argv[1])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "large.jpg")], capture_output=True, text=True, check=True
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(out.stdout) * unit < 70e6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0


def test_find_photos_skips_what_is_no_photo(tmp_path: Path):
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.jpg", "c.heic"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.jpg").mkdir()
    assert [path.name for path in find_photos(tmp_path)] == ["a.png", "b.JPG", "c.heic"]
