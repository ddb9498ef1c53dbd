"""How well a subject was learned: Lite2 cosines between generated pictures and the subject's own.

score    mean cosine between generated pictures and the subject's varied views
ceiling  the same among the subject's own views: what a perfect memory would reach
gain     (after − before) / (ceiling − before); 0 is the class as the model knew it, 1 is the subject itself
drift    how far a prompt without the subject moved, over how far two of its pictures lie from one another anyway
"""

from __future__ import annotations

import numpy as np
import torch

from server_distill.default_model.backgrounds import PAINTERS
from server_distill.default_model.objects import PictureObject, load_cutout
from server_distill.default_model.scenes import compose, place_words, random_placement, with_article
from server_distill.evaluation.image_features import pooled_features
from server_distill.evaluation.image_scores import mean_cosine

PHOTO_PLACES = ("a white background", "grass", "a wooden table", "a gray background", "a room")
"""Where a subject's "photos" are taken: five ordinary places."""


def subject_photos(item: PictureObject, count: int = 5, seed: int = 0) -> list[np.ndarray]:
    """`count` pictures of the subject in ordinary places, uint8 (128, 128, 3)."""
    rng = np.random.default_rng([seed, int(item.codepoint.split("-")[0], 16)])
    cutout = load_cutout(item)
    places = [PHOTO_PLACES[i % len(PHOTO_PLACES)] for i in range(count)]
    return [compose(cutout, place, random_placement(rng), rng).pixels for place in places]


def subject_views(item: PictureObject, backgrounds: list[str], seed: int = 1) -> np.ndarray:
    """One fresh picture of the subject on each of `backgrounds`: uint8 (N, 128, 128, 3)."""
    rng = np.random.default_rng([seed, int(item.codepoint.split("-")[0], 16)])
    cutout = load_cutout(item)
    return np.stack([compose(cutout, name, random_placement(rng), rng).pixels for name in backgrounds])


def prompt_places(count: int, seed: int) -> list[str]:
    """`count` different backgrounds, none of which a photo shows, so that obeying the prompt isn't copying a photo."""
    names = [name for name in PAINTERS if name not in PHOTO_PLACES]
    return [names[i] for i in np.random.default_rng(seed).permutation(len(names))[:count]]


def prompts(subject: str, places: list[str]) -> list[str]:
    """`a photo of a dog on grass` for each place; `subject` is a class word, or a token and a class word."""
    return [f"a photo of {with_article(subject)} {place_words(place)}" for place in places]


def ceiling(views: torch.Tensor) -> float:
    """Mean cosine over all pairs of different rows."""
    views = torch.nn.functional.normalize(views, dim=1)
    n = len(views)
    return float(((views @ views.T).sum() - n) / (n * (n - 1)))


def scores(before: np.ndarray, after: np.ndarray, views: np.ndarray) -> dict[str, float]:
    """`before`, `after`, `ceiling` and `gain` for pictures uint8 (N, H, W, 3)."""
    own = pooled_features(views)
    low, high, top = mean_cosine(pooled_features(before), own), mean_cosine(pooled_features(after), own), ceiling(own)
    return {"before": low, "after": high, "ceiling": top, "gain": (high - low) / (top - low)}


def drift(before: np.ndarray, after: np.ndarray) -> float:
    """Mean cosine distance of pictures (N, H, W, 3) of equal prompts and seeds, over that of two different ones of
    `before`: 0 is no change, 1 is as much as another prompt and seed would give.
    """
    a, b = (torch.nn.functional.normalize(pooled_features(pictures), dim=1) for pictures in (before, after))
    return float((1 - (a * b).sum(1).mean()) / (1 - ceiling(a)))
