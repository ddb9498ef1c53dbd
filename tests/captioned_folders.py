"""Small data sets of pictures with captions, in every form that the tools read."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

CAPTIONS = (
    "a photo of a dog on grass",
    "a photo of a cat in a bucket",
    "an oil painting of a horse",
    "a drawing of a bird in the forest",
    "a picture of an apple on a beach",
)


def picture(number: int, size: tuple[int, int] = (90, 70)) -> Image.Image:
    """Smooth noise, another for each number."""
    rng = np.random.default_rng(number)
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    picture(number).save(buffer, "PNG")
    return buffer.getvalue()


def image_folder(folder: Path, count: int = 5) -> Path:
    """PNG files and metadata.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for i in range(count):
        (folder / f"picture-{i}.png").write_bytes(png(i))
        lines.append(json.dumps({"file_name": f"picture-{i}.png", "text": CAPTIONS[i % len(CAPTIONS)]}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def parquet_folder(folder: Path, count: int = 5) -> Path:
    import datasets

    rows = {
        "image": [{"bytes": png(i), "path": f"picture-{i}.png"} for i in range(count)],
        "caption": [[CAPTIONS[i % len(CAPTIONS)], "another caption"] for i in range(count)],
    }
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Sequence(datasets.Value("string"))})
    folder.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(folder / "train-0.parquet"))
    return folder


def webdataset_folder(folder: Path, count: int = 5) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / "shard-0.tar", "w") as archive:
        for i in range(count):
            for suffix, data in (("png", png(i)), ("txt", CAPTIONS[i % len(CAPTIONS)].encode())):
                info = tarfile.TarInfo(f"picture-{i}.{suffix}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return folder
