"""Which of the catalogue's objects a picture shows: the nearest in an EfficientNet-Lite's features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from server_distill.default_model.objects import PictureObject, load_cutout
from server_distill.default_model.scenes import random_scene
from server_distill.evaluation.image_features import pooled_features


class ObjectScores(NamedTuple):
    """Share of pictures whose object is among the five nearest, and their mean cosine to it."""

    top5: float
    cosine: float


class ObjectGallery:
    """The mean feature of each object over four real compositions, less the mean of them all."""

    def __init__(self, items: list[PictureObject], network: str = "lite2") -> None:
        self.network = network
        rng = np.random.default_rng(6)
        pictures = np.stack([random_scene(load_cutout(item), rng).pixels for item in items for _ in range(4)])
        features = F.normalize(pooled_features(pictures, network), dim=1)
        means = F.normalize(features.view(len(items), 4, -1).mean(1), dim=1)
        self.centre = means.mean(0)
        self.objects = F.normalize(means - self.centre, dim=1)

    def scores(self, pictures: np.ndarray, wanted: list[int]) -> ObjectScores:
        """Of pictures uint8 (N, H, W, 3) that should show the gallery's objects of these numbers."""
        cosines, numbers = self._cosines(pictures), torch.tensor(wanted)[:, None]
        return ObjectScores(
            _among_nearest(cosines, numbers).float().mean().item(), cosines.gather(1, numbers).mean().item()
        )

    def among_nearest(self, pictures: np.ndarray, wanted: list[int]) -> Tensor:
        """Whether each picture's object is among the five nearest: bool (N,)."""
        return _among_nearest(self._cosines(pictures), torch.tensor(wanted)[:, None])

    def _cosines(self, pictures: np.ndarray) -> Tensor:
        features = F.normalize(pooled_features(pictures, self.network), dim=1)
        return F.normalize(features - self.centre, dim=1) @ self.objects.T


def _among_nearest(cosines: Tensor, numbers: Tensor) -> Tensor:
    return (cosines.topk(min(5, cosines.shape[1]), dim=1).indices == numbers).any(1)
