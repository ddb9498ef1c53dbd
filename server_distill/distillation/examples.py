"""What a micro-step of distillation trains on: cached latents, noise, timesteps, text states."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from server_distill.data_sets.latent_cache import LatentCache


@dataclass(frozen=True)
class Batch:
    """latents (B, 4, h, w), scaled; noise and input_noise likewise; timesteps int64 (B,); hidden (B, n, d)."""

    latents: Tensor
    noise: Tensor
    input_noise: Tensor
    timesteps: Tensor
    hidden: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


@dataclass(frozen=True)
class Examples:
    """Batches from a cache. `noise_offset`: a constant a channel added to the noise, for darks and lights (Guttenberg
    2023); `input_perturbation`: noise added to the input's noise alone (Ning et al. 2023).
    """

    cache: LatentCache
    scaling_factor: float
    timesteps: int
    random_caption: bool = True
    empty_share: float = 0.0
    noise_offset: float = 0.0
    input_perturbation: float = 0.0

    def batch(self, size: int, generator: torch.Generator) -> Batch:
        """`size` examples, each a row, a view, a caption and a sample of the posterior, all drawn by `generator`."""
        latents, hidden = [], []
        for _ in range(size):
            row = self._below(len(self.cache), generator)
            mean, log_variance = self.cache.posterior(row, self._below(self.cache.views, generator))
            spread = torch.exp(0.5 * log_variance.clamp(-30, 20))
            latents.append(mean + spread * torch.randn(mean.shape, generator=generator))
            captions = self.cache.captions_of(row)
            chosen = captions[self._below(len(captions), generator) if self.random_caption else 0]
            dropped = torch.rand(1, generator=generator).item() < self.empty_share
            hidden.append(self.cache.empty[0] if dropped else self.cache.text(chosen))
        scaled = torch.stack(latents) * self.scaling_factor
        noise = torch.randn(scaled.shape, generator=generator)
        if self.noise_offset:
            noise = noise + self.noise_offset * torch.randn((*scaled.shape[:2], 1, 1), generator=generator)
        input_noise = noise
        if self.input_perturbation:
            input_noise = noise + self.input_perturbation * torch.randn(scaled.shape, generator=generator)
        timesteps = torch.randint(self.timesteps, (size,), generator=generator)
        return Batch(scaled, noise, input_noise, timesteps, torch.stack(hidden))

    @staticmethod
    def _below(count: int, generator: torch.Generator) -> int:
        return int(torch.randint(count, (1,), generator=generator))
