"""Photos from files, as the core wants them: upright, RGB, 8 bits, never larger than is useful."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from device_runtime.errors import BadPhotoError

SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)
SMALLEST = 32
"""Pixels of the shorter side."""
LARGEST = 2048
"""A longer photo is reduced to this before it becomes an array: a session looks at far fewer pixels."""
MAX_PIXELS = 300_000_000
"""Formats that cannot be decoded at a reduced size must fit memory whole; 300 million pixels are 0.9 GB."""

try:
    from pillow_heif import register_heif_opener

    register_heif_opener()
except ImportError:  # photos of other formats work without it
    pass


def find_photos(folder: str | os.PathLike[str]) -> list[Path]:
    """Files of `folder` that look like photos by their suffix, by name; hidden ones are left out."""
    return sorted(
        path
        for path in Path(folder).iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def load_photo(path: str | os.PathLike[str]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(height, width, 3) bytes: turned upright by EXIF, transparency on white, first frame of an
    animation (with a warning), at most LARGEST pixels long.

    Raises BadPhotoError that names the file and says why it cannot be used.
    """
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise BadPhotoError(f"{path.name} is empty; copy it again")
        with warnings.catch_warnings():
            # Its limit is for web servers; the one here is checked below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return np.asarray(_prepare(image, path.name))
    except BadPhotoError:
        raise
    except UnidentifiedImageError as error:
        raise BadPhotoError(f"{path.name} is not a picture this program can read") from error
    except Image.DecompressionBombError as error:
        raise BadPhotoError(f"{path.name} is too large ({error}); scale it down") from error
    except FileNotFoundError as error:
        raise BadPhotoError(f"{path.name} does not exist") from error
    except MemoryError as error:
        raise BadPhotoError(f"{path.name} does not fit memory; scale it down") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError) as error:
        # Pillow's decoders raise all of these for damaged files.
        raise BadPhotoError(f"{path.name} is damaged or cut short ({error}); copy it again") from error


def _prepare(image: Image.Image, name: str) -> Image.Image:
    width, height = image.size
    if min(width, height) < SMALLEST:
        raise BadPhotoError(f"{name} is {width} x {height} pixels, too small (at least {SMALLEST} px on each side)")
    # JPEGs decode at a half, a quarter or an eighth: 48 megapixels never exist in memory.
    image.draft("RGB", (LARGEST, LARGEST))
    if image.size[0] * image.size[1] > MAX_PIXELS:
        raise BadPhotoError(f"{name} has {width} x {height} pixels, too many for its format; scale it down")
    if getattr(image, "is_animated", False):
        warnings.warn(f"{name} is animated; its first frame is used", stacklevel=3)
        image.seek(0)
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _to_eight_bits(image)
    image = _on_white(image)
    if max(image.size) > LARGEST:
        scale = LARGEST / max(image.size)
        size = [max(1, round(side * scale)) for side in image.size]
        if min(size) < SMALLEST:
            raise BadPhotoError(f"{name} is {width} x {height} pixels, far too narrow; cut out the subject")
        image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """16-bit greyscale, which Pillow would clip and not scale."""
    values = np.asarray(image, dtype=np.float64)
    top = 65535.0 if values.max(initial=0) > 255 else 255.0
    return Image.fromarray(np.clip(values / top * 255, 0, 255).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    """RGB, with what is transparent on white."""
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
