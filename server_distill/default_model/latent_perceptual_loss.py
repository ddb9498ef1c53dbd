"""How different the picture that a prediction amounts to looks from the real one, as a term of a UNet's loss.

Squared error counts every latent alike, and what makes an object recognizable (eyes, wheels, an outline) is few of
them. So the clean latents that a prediction implies are decoded, and the picture is compared in a network's features,
as Berrada et al. 2024 ("Boosting latent diffusion with perceptual objectives", section 3) do in the decoder's: there,
too, only where the noise is moderate, since the mean of all that a very noisy latent may become looks like nothing.
"""

from __future__ import annotations

import argparse

import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL, DDIMScheduler
from torch import Tensor

from server_distill.default_model.latent_examples import LatentBatch
from server_distill.default_model.perceptual_loss import perceptual_loss

BELOW = 700
"""Timesteps from here on are left out: √ᾱ is 0.3 there, and the noise three times the picture."""


class LatentPerceptualLoss:
    """The term for one batch; the decoder's weights stay as they are."""

    def __init__(self, vae: AutoencoderKL, schedule: DDIMScheduler, rows: int = 16) -> None:
        """`rows`: at most so many of a batch are decoded, which costs more than their UNet."""
        self.vae = vae.requires_grad_(False).eval().to(memory_format=torch.channels_last)
        self.schedule, self.rows = schedule, rows

    @classmethod
    def from_options(
        cls, args: argparse.Namespace, accelerator: Accelerator, schedule: DDIMScheduler
    ) -> LatentPerceptualLoss | None:
        """As `--perceptual_weight` and `--perceptual_rows` have it; None where the weight is 0."""
        if args.perceptual_weight == 0:
            return None
        vae = AutoencoderKL.from_pretrained(args.vae).to(accelerator.device)
        return cls(vae, schedule, args.perceptual_rows)

    def __call__(self, batch: LatentBatch, noisy: Tensor, output: Tensor) -> Tensor:
        """The mean distance of the chosen rows (scalar), differentiable in `output`, v as (B, 4, h, w); 0 for none."""
        chosen = (batch.timesteps < BELOW).nonzero()[: self.rows, 0]
        if len(chosen) == 0:
            return output.sum() * 0
        kept = self.schedule.alphas_cumprod.to(output.device)[batch.timesteps[chosen]][:, None, None, None]
        clean = kept.sqrt() * noisy[chosen] - (1 - kept).sqrt() * output[chosen].float()
        with torch.no_grad():
            wanted = self.decode(batch.latents[chosen])
        return perceptual_loss(self.decode(clean), wanted)

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents (B, 4, h, w) to pictures (B, 3, H, W) in −1…1 and a little beyond."""
        return self.vae.decode(latents / self.vae.config.scaling_factor).sample
