"""The catalogue of objects that the default model is trained on, and their pictures.

`data/objects.csv` (beside this file) names 276 pictures of the Fluent Emoji 3D set (Microsoft, MIT):

    codepoint    file name of the picture, without extension
    name         what captions call the object ("police car")
    class_name   what captions call it more broadly ("car"); what a user would type for a subject of that kind
    family       the broadest word ("vehicle")
    split        "train", or "held_out": never shown to the model, kept to personalize on
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

CATALOGUE = Path(__file__).parent / "data" / "objects.csv"
HELD_OUT_PICTURES = Path(__file__).parent / "data" / "held_out"
"""The held-out objects' pictures come with the repository: the demo and the tests need no download."""
DEFAULT_PICTURES = Path("data/node_modules/@lobehub/fluent-emoji-3d/assets")
"""Where `make data` puts all of them."""


@dataclass(frozen=True)
class PictureObject:
    """One row of the catalogue."""

    codepoint: str
    name: str
    class_name: str
    family: str
    split: str


def read_catalogue(split: str | None = None) -> list[PictureObject]:
    """All objects in file order, or those of one split ("train" or "held_out")."""
    with CATALOGUE.open(newline="", encoding="utf-8") as file:
        rows = [PictureObject(**row) for row in csv.DictReader(file)]
    return [row for row in rows if split in (None, row.split)]


def load_cutout(item: PictureObject, pictures: Path = DEFAULT_PICTURES) -> Image.Image:
    """The object's picture, RGBA, cropped to its visible part.

    Raises FileNotFoundError, naming the command that brings the pictures, when they are not there.
    """
    folder = HELD_OUT_PICTURES if item.split == "held_out" else pictures
    return read_cutout(folder / f"{item.codepoint}.webp")


def read_cutout(path: Path) -> Image.Image:
    """As `load_cutout`, of any picture of the set."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `make data` to fetch the object pictures")
    image = Image.open(path).convert("RGBA")
    alpha = np.asarray(image)[..., 3] > 8
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    return image.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))


LIKE_OTHERS = re.compile(r"1f3f[b-f]|1f1e[6-9a-f]|1f1f|20e3|1f63[8-f]|1f640")
"""Codepoints of skin tones, flags and keycaps, and of cats' faces: only its eyes tell a held-out subject from them."""


def pictures_beyond_the_catalogue(pictures: Path = DEFAULT_PICTURES) -> list[Path]:
    """Files of the set that show neither an object of the catalogue nor a variant of what others show.

    Raises FileNotFoundError, naming the command that brings the pictures, when they are not there.
    """
    named = {item.codepoint for item in read_catalogue()}
    found = [path for path in sorted(pictures.glob("*.webp")) if path.stem not in named]
    if not found:
        raise FileNotFoundError(f"{pictures} is missing: run `make data` to fetch the object pictures")
    return [path for path in found if not LIKE_OTHERS.search(path.stem)]
