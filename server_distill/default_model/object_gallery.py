"""Which of the catalogue's objects a picture shows: the nearest in EfficientNet-Lite2's features."""

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
    """The mean Lite2 feature of each object over four real compositions, less the mean of them all."""

    def __init__(self, items: list[PictureObject]) -> None:
        rng = np.random.default_rng(6)
        pictures = np.stack([random_scene(load_cutout(item), rng).pixels for item in items for _ in range(4)])
        features = F.normalize(pooled_features(pictures), dim=1)
        means = F.normalize(features.view(len(items), 4, -1).mean(1), dim=1)
        self.centre = means.mean(0)
        self.objects = F.normalize(means - self.centre, dim=1)

    def scores(self, pictures: np.ndarray, wanted: list[int]) -> ObjectScores:
        """Of pictures uint8 (N, H, W, 3) that should show the gallery's objects of these numbers."""
        features = F.normalize(pooled_features(pictures), dim=1)
        cosines: Tensor = F.normalize(features - self.centre, dim=1) @ self.objects.T
        numbers = torch.tensor(wanted)[:, None]
        top5 = (cosines.topk(min(5, len(self.objects)), dim=1).indices == numbers).any(1).float().mean()
        return ObjectScores(float(top5), float(cosines.gather(1, numbers).mean()))
