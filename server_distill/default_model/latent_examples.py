"""What the default model's UNets see in a training step, drawn from the cached latents."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from server_distill.default_model.object_frequency import how_often
from server_distill.default_model.pipeline import SCHEDULE
from server_distill.training.loop import draw
from server_distill.training.state import load_state

OBJECT_WEIGHT = 3.0
"""Of latents under the object in the loss: backgrounds are learned in no time."""
CAPTION_DROPOUT = 0.1
"""Share of captions left out, for classifier-free guidance (Ho & Salimans 2022)."""
EVEN_TIMESTEPS = 0.35
"""Share of timesteps drawn evenly."""
FINE_TIMESTEPS = 0.2
"""Share drawn evenly below `FINE`, where what makes a thing itself is rendered. The others are logit-normal (Esser et
al. 2024, section 3.1): most come from the middle, where shapes are decided."""
FINE = 0.3
"""Of the schedule."""


class LatentBatch(NamedTuple):
    """latents (B, 4, h, w), token ids (B, n), loss weight (B, 1, h, w) of mean 1, noise as latents, timesteps (B,)."""

    latents: Tensor
    token_ids: Tensor
    weight: Tensor
    noise: Tensor
    timesteps: Tensor

    def to(self, device: torch.device) -> LatentBatch:
        return LatentBatch(*(tensor.to(device) for tensor in self))


class LatentExamples:
    """`cache_latents`' file, drawn from by seed, micro-step and process alone.

    Raises FileNotFoundError where there is none.
    """

    def __init__(self, path: Path, tokenizer: CLIPTokenizer, seed: int, object_frequency: Tensor | None = None) -> None:
        """`object_frequency`: how often each object of the catalogue is drawn, relative to others; None: all alike."""
        cache = load_state(path)
        if cache is None:
            raise FileNotFoundError(f"{path} is missing: run `make latents`, or cache_latents, first")
        self.scaling_factor: float = cache["scaling_factor"]
        self.latents = cache["latents"].float() * self.scaling_factor
        self.coverage, self.tokens, self.seed = cache["coverage"], cache["tokens"], seed
        self.empty_ids = tokenizer("", padding="max_length", return_tensors="pt").input_ids[0]
        self.frequency = None if object_frequency is None else object_frequency[cache["objects"].long()]

    @classmethod
    def from_options(cls, args: argparse.Namespace, tokenizer: CLIPTokenizer) -> LatentExamples:
        """As `--data`, `--seed` and `--hard_objects` have it."""
        return cls(args.data, tokenizer, args.seed, how_often(args.hard_objects) if args.hard_objects else None)

    def batch(self, micro_step: int, size: int, process: int = 0) -> LatentBatch:
        generator = draw(self.seed, micro_step, process)
        if self.frequency is None:
            rows = torch.randint(len(self.latents), (size,), generator=generator)
        else:
            rows = torch.multinomial(self.frequency, size, replacement=True, generator=generator)
        which = torch.randint(self.tokens.shape[1], (size,), generator=generator)
        ids = self.tokens[rows, which].long()
        ids[torch.rand(size, generator=generator) < CAPTION_DROPOUT] = self.empty_ids
        weight = 1 + (OBJECT_WEIGHT - 1) * self.coverage[rows, None].float() / 255
        latents = self.latents[rows]
        noise = torch.randn(latents.shape, generator=generator)
        return LatentBatch(latents, ids, weight / weight.mean(), noise, draw_timesteps(size, generator))


def draw_timesteps(count: int, generator: torch.Generator) -> Tensor:
    """Timesteps int64 (count,), each of the schedule's possible, the middle and the small ones more often."""
    middle = torch.sigmoid(torch.randn(count, generator=generator))
    even = torch.rand(count, generator=generator)
    which = torch.rand(count, generator=generator)
    chosen = torch.where(which < EVEN_TIMESTEPS + FINE_TIMESTEPS, FINE * even, middle)
    chosen = torch.where(which < EVEN_TIMESTEPS, even, chosen)
    steps = int(SCHEDULE["num_train_timesteps"])  # type: ignore[call-overload]
    return (chosen * steps).long().clamp(max=steps - 1)
