"""What Python's wrapper learns and paints, for Swift's test to compare with: see SameBytesAsPythonTests.swift.

    python make_reference.py BUNDLE FOLDER

makes FOLDER anew: photos, request.json, and what android_app's reference.py makes of them.
"""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[3]
REFERENCE = REPOSITORY / "android_app/runtime/src/test/python/reference.py"

# Above the largest signed 64-bit number: all 64 bits must arrive.
SEED = 2**64 - 8_000_000_000_000_000_003
TRAINING = {"class_name": "dog", "token": "<my-dog>", "steps": 20, "views": 8, "seed": SEED}
SAMPLING = {"prompt": "a photo of a <my-dog> dog in a bucket", "steps": 6, "count": 2, "seed": SEED}
TEXTS = [
    "a photo of a <my-dog> dog",
    "Ünïcödé, 猫 и кот",
    "a \N{CAT} (U+1F408) and 𝒻𝒶𝓃𝒸𝓎 letters",
    "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}",
    "",
]


def smooth_photo(seed: int, width: int, height: int) -> np.ndarray:
    """(height, width, 3) bytes: a few random colours, blended along rows and columns."""
    corners = np.random.default_rng(seed).uniform(0, 255, (5, 5, 3))
    rows, columns = np.linspace(0, 4, height), np.linspace(0, 4, width)
    down = np.stack([np.interp(rows, np.arange(5), corners[:, i, c]) for i in range(5) for c in range(3)], 1)
    down = down.reshape(height, 5, 3)
    across = [[np.interp(columns, np.arange(5), row[:, c]) for c in range(3)] for row in down]
    return np.array(across).transpose(0, 2, 1).astype(np.uint8)


def main(bundle: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    photos = []
    for i in range(3):
        photo = smooth_photo(i, width=160 + 16 * i, height=150)
        photo.tofile(folder / f"{i}.rgb")
        photos.append({"file": f"{i}.rgb", "width": photo.shape[1], "height": photo.shape[0]})
    request = {"photos": photos, "training": TRAINING, "sampling": SAMPLING, "texts": TEXTS}
    (folder / "request.json").write_text(json.dumps(request), "utf-8")
    runpy.run_path(str(REFERENCE))["main"](bundle, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
