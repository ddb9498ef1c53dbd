"""Batches of a personalization: photos, and class images beside them, as noisy latents with their prompts.

A batch is a function of the seed, the micro-step and the process alone (training_loop.draw), so a run that was killed
sees the same ones again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Generator, Tensor
from tqdm import tqdm

from server_distill.personalization.concepts import Example
from server_distill.personalization.size_augmentation import (
    View,
    centre_square,
    cropped_view,
    draw_scale,
    integer,
    mirrored,
    scaled_view,
    shorter_side_to,
)
from server_distill.training.loop import draw

Encode = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Pixels (B, 3, S, S) in −1…1 → mean and standard deviation of the latents, each (B, 4, h, w), scaled."""
ORDER, CACHED_PHOTOS, CACHED_CLASS = -2, -3, -4
"""In place of a process's number in `draw`: random numbers that no micro-step shares."""


@dataclass(frozen=True)
class Batch:
    """Rows: the photos' B, then with prior preservation the class images' B.

    latents and noise (R, 4, h, w), timesteps int64 (R,), token ids (R, n), mask of the photos' rows (B, 1, h, w).
    """

    latents: Tensor
    noise: Tensor
    timesteps: Tensor
    ids: Tensor
    mask: Tensor


@dataclass(frozen=True)
class ViewOptions:
    """Pixels of a side, cells (latent pixels) of a side, and the options --hflip, --noaug and --center_crop."""

    size: int
    cells: int
    hflip: bool = False
    augment: bool = True
    center_crop: bool = False

    def of_photo(self, example: Example, generator: Generator) -> View:
        picture = mirrored(example.picture, generator) if self.hflip else example.picture
        scale = draw_scale(self.size, generator) if self.augment else self.size
        return scaled_view(picture, example.prompt, scale, self.size, self.cells, generator)

    def of_class_image(self, example: Example, generator: Generator) -> View:
        picture = mirrored(example.picture, generator) if self.hflip else example.picture
        return cropped_view(picture, example.prompt, self.size, self.cells, generator, self.center_crop)


@dataclass(frozen=True)
class Encoded:
    """A view after the image encoder: mean and deviation of its latents (4, h, w), mask (h, w), token ids (n,)."""

    mean: Tensor
    deviation: Tensor
    mask: Tensor
    ids: Tensor


class Batches:
    """`photos` and `class_images` in pairs, every photo equally often.

    With `cache_views` N, N views of each are encoded now and drawn from later; `encode` is then let go.
    """

    def __init__(
        self,
        photos: Sequence[Example],
        class_images: Sequence[Example],
        views: ViewOptions,
        tokenize: Callable[[str], Tensor],
        encode: Encode,
        *,
        batch_size: int,
        num_train_timesteps: int,
        seed: int | None,
        processes: int = 1,
        cache_views: int = 0,
    ) -> None:
        square = centre_square if views.center_crop else _as_it_is
        self.photos = [Example(square(photo.picture), photo.prompt) for photo in photos]
        # No view of a class image shows more.
        self.class_images = [Example(shorter_side_to(c.picture, views.size), c.prompt) for c in class_images]
        self.views, self.tokenize, self.seed, self.processes = views, tokenize, seed, processes
        self.batch_size, self.num_train_timesteps = batch_size, num_train_timesteps
        self.encode: Encode | None = encode
        self.cached: tuple[list[Encoded], list[Encoded]] | None = None
        self.cache_views = cache_views
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))
        if cache_views:
            self.cached = (
                self._encode_all(self.photos, views.of_photo, CACHED_PHOTOS),
                self._encode_all(self.class_images, views.of_class_image, CACHED_CLASS),
            )
            self.encode = None

    def __len__(self) -> int:
        """Examples of an epoch."""
        return max(len(self.photos), len(self.class_images))

    def batch(self, micro_step: int, process: int = 0) -> Batch:
        generator = draw(self.seed, micro_step, process)
        start = (micro_step * self.processes + process) * self.batch_size
        indices = [self._example(position) for position in range(start, start + self.batch_size)]
        if self.cached is not None:
            rows = [self._drawn(self.cached[0], len(self.photos), i, generator) for i in indices]
            if self.class_images:
                rows += [self._drawn(self.cached[1], len(self.class_images), i, generator) for i in indices]
        else:
            views = [self.views.of_photo(self.photos[i % len(self.photos)], generator) for i in indices]
            if self.class_images:
                chosen = [self.class_images[i % len(self.class_images)] for i in indices]
                views += [self.views.of_class_image(example, generator) for example in chosen]
            rows = self._encoded(views)
        mean, deviation = (torch.stack([getattr(row, name) for row in rows]) for name in ("mean", "deviation"))
        latents = mean + deviation * torch.randn(mean.shape, generator=generator)
        noise = torch.randn(latents.shape, generator=generator)
        timesteps = torch.randint(self.num_train_timesteps, (len(rows),), generator=generator)
        mask = torch.stack([row.mask for row in rows[: self.batch_size]]).unsqueeze(1)
        return Batch(latents, noise, timesteps, torch.stack([row.ids for row in rows]), mask)

    def _example(self, position: int) -> int:
        """Every epoch has its own order of all examples."""
        epoch, place = divmod(position, len(self))
        if self._order[0] != epoch:
            self._order = (epoch, torch.randperm(len(self), generator=draw(self.seed, epoch, ORDER)))
        return int(self._order[1][place])

    def _drawn(self, cached: list[Encoded], count: int, index: int, generator: Generator) -> Encoded:
        return cached[index % count * self.cache_views + integer(0, self.cache_views, generator)]

    def _encoded(self, views: Sequence[View]) -> list[Encoded]:
        assert self.encode is not None
        mean, deviation = (t.cpu() for t in self.encode(torch.stack([view.pixels for view in views])))
        return [Encoded(mean[i], deviation[i], v.mask, self.tokenize(v.prompt)) for i, v in enumerate(views)]

    def _encode_all(
        self, examples: Sequence[Example], view: Callable[[Example, Generator], View], stream: int
    ) -> list[Encoded]:
        rows = []
        for i, example in enumerate(tqdm(examples, desc="encoding views", unit=" images", disable=not examples)):
            numbers = range(i * self.cache_views, (i + 1) * self.cache_views)
            rows += self._encoded([view(example, draw(self.seed, number, stream)) for number in numbers])
        return rows


def _as_it_is(picture: Image.Image) -> Image.Image:
    return picture
