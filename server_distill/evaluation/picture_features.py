"""Features of pictures in files, by several networks in one pass, a few pictures at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from device_runtime import BadPhotoError
from device_runtime.photos import find_photos
from server_distill.evaluation.error import EvaluationError
from server_distill.evaluation.image_features import INPUT_SIZE, pooled_features

Network = Callable[[list[np.ndarray]], Tensor]
"""Pictures of any sizes, uint8 (H, W, 3), to features (N, D) in float32 on the CPU."""
BATCH = 16


@dataclass(frozen=True)
class Features:
    """A table (N, D) for each network, a row a picture; and the names of files that could not be used."""

    tables: dict[str, Tensor]
    paths: list[Path]
    skipped: list[str]


def centre_square(picture: np.ndarray, largest: int) -> np.ndarray:
    """The centre square, made smaller where it exceeds `largest` pixels, by a filter that does not alias: careless
    resizing alone moves Fréchet distances (Parmar et al. 2022).
    """
    height, width = picture.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = picture[top : top + edge, left : left + edge]
    if edge <= largest:
        return square
    return np.asarray(Image.fromarray(square).resize((largest, largest), Image.Resampling.BICUBIC))


def lite_network(name: str) -> Network:
    """EfficientNet-Lite "lite0" or "lite2", see image_features."""

    def features(pictures: list[np.ndarray]) -> Tensor:
        squares = [centre_square(picture, INPUT_SIZE[name]) for picture in pictures]
        if len({square.shape for square in squares}) == 1:
            return pooled_features(np.stack(squares), name)
        return torch.cat([pooled_features(square[None], name) for square in squares])

    return features


def photo_files(folder: Path, option: str) -> list[Path]:
    """Raises EvaluationError where there are none."""
    paths = find_photos(folder) if folder.is_dir() else []
    if not paths:
        raise EvaluationError(f"{option}: {folder} holds no photo")
    return paths


def file_features(
    paths: Sequence[Path], networks: Mapping[str, Network], load: Callable[[Path], np.ndarray], title: str
) -> Features:
    """Each file is read once. One that `load` raises BadPhotoError for is named on stderr and left out."""
    rows: dict[str, list[Tensor]] = {name: [] for name in networks}
    used: list[Path] = []
    skipped: list[str] = []
    with tqdm(total=len(paths), desc=title, unit=" pictures") as bar:
        for start in range(0, len(paths), BATCH):
            pictures = []
            for path in paths[start : start + BATCH]:
                try:
                    pictures.append(load(path))
                    used.append(path)
                except BadPhotoError as error:
                    skipped.append(path.name)
                    tqdm.write(f"skipped: {error}", file=sys.stderr)
                bar.update()
            if pictures:
                for name, network in networks.items():
                    rows[name].append(network(pictures))
    return Features({name: torch.cat(parts) for name, parts in rows.items() if parts}, used, skipped)
