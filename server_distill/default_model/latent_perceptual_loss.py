"""How different the picture that a prediction amounts to looks from the real one, as a term of a UNet's loss.

Squared error counts every latent alike, and what makes an object recognizable (eyes, wheels, an outline) is few of
them. So the clean latents that a prediction implies are decoded, and the picture is compared in a network's features,
as Berrada et al. 2024 ("Boosting latent diffusion with perceptual objectives", section 3) do in the decoder's: there,
too, only where the noise is moderate, since the mean of all that a very noisy latent may become looks like nothing.
A critic (`critic.py`) may have its say as well: it tells such pictures from what real latents decode to.
"""

from __future__ import annotations

import argparse

import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL, DDIMScheduler
from torch import Tensor

from server_distill.default_model.critic import AdversarialLoss
from server_distill.default_model.latent_examples import LatentBatch
from server_distill.default_model.perceptual_loss import features_distance, layer_features
from server_distill.default_model.recognition_loss import recognition_loss
from server_distill.training.load_part import load_part

BELOW = 700
"""Timesteps from here on are left out: √ᾱ is 0.3 there, and the noise three times the picture."""
CRITIC_WARMUP = 100
"""Steps over which the critic's say grows: a new one knows nothing yet."""


class LatentPerceptualLoss:
    """The term for one batch; the decoder's weights stay as they are, its critic, if it has one, learns."""

    def __init__(
        self,
        vae: AutoencoderKL,
        schedule: DDIMScheduler,
        accelerator: Accelerator,
        *,
        weight: float,
        rows: int = 16,
        recognition_weight: float = 0.0,
        critic_weight: float = 0.0,
    ) -> None:
        """`weight` of the features' distance; `rows`: at most so many of a batch are decoded, which costs more than
        their UNet; `recognition_weight` of `recognition_loss`; `critic_weight`: length of the critic's gradient over
        that of both.
        """
        self.vae = vae.requires_grad_(False).eval().to(accelerator.device, memory_format=torch.channels_last)
        self.schedule, self.accelerator, self.weight, self.rows = schedule, accelerator, weight, rows
        self.recognition_weight = recognition_weight
        self.adversarial = AdversarialLoss(accelerator, critic_weight, CRITIC_WARMUP) if critic_weight else None

    @classmethod
    def from_options(
        cls, args: argparse.Namespace, accelerator: Accelerator, schedule: DDIMScheduler
    ) -> LatentPerceptualLoss | None:
        """As `add_options` has it; None where `--perceptual_weight` is 0."""
        if args.perceptual_weight == 0:
            return None
        return cls(
            load_part(AutoencoderKL, args.vae),
            schedule,
            accelerator,
            weight=args.perceptual_weight,
            rows=args.perceptual_rows,
            recognition_weight=args.recognition_weight,
            critic_weight=args.critic_weight,
        )

    def __call__(self, batch: LatentBatch, noisy: Tensor, output: Tensor, step: int) -> dict[str, Tensor]:
        """`perceptual`, the mean distance of the chosen rows, `recognition` if it has a weight, with a critic also
        `adversarial` and `critic`, and their weighted sum `looks`, differentiable in `output`, v as (B, 4, h, w).
        Without a row to choose all are 0.
        """
        chosen = (batch.timesteps < BELOW).nonzero()[: self.rows, 0]
        if len(chosen) == 0:
            names = ["looks", "perceptual", *(["recognition"] if self.recognition_weight else [])]
            names += ["critic", "adversarial"] if self.adversarial else []
            return dict.fromkeys(names, output.sum() * 0)
        kept = self.schedule.alphas_cumprod.to(output.device)[batch.timesteps[chosen]][:, None, None, None]
        painted = self.decode(kept.sqrt() * noisy[chosen] - (1 - kept).sqrt() * output[chosen].float())
        with torch.no_grad():
            wanted = self.decode(batch.latents[chosen])
            targets = layer_features(wanted)
        features = layer_features(painted)
        named = {"perceptual": features_distance(features, targets)}
        looks = self.weight * named["perceptual"]
        if self.recognition_weight:
            named["recognition"] = recognition_loss(painted, wanted, step)
            looks = looks + self.recognition_weight * named["recognition"]
        if self.adversarial is not None:
            looks, said = self.adversarial.added_to(looks, painted, features, wanted, targets, step)
            named |= said
        return {**named, "looks": looks}

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents (B, 4, h, w) to pictures float32 (B, 3, H, W) in −1…1 and a little beyond."""
        with self.accelerator.autocast():
            return self.vae.decode(latents / self.vae.config.scaling_factor).sample.float()


def add_looks_options(group: argparse._ArgumentGroup) -> None:
    """The options that `LatentPerceptualLoss.from_options` reads."""
    group.add_argument("--perceptual_weight", type=float, default=0.0, help="of how pictures look")
    group.add_argument("--recognition_weight", type=float, default=0.0, help="of recognition_loss.py, beside it")
    group.add_argument(
        "--perceptual_rows", type=int, default=16, help="at most so many pictures of a batch are decoded"
    )
    group.add_argument(
        "--critic_weight", type=float, default=0.0, help="of critic.py's gradient, over that of how pictures look"
    )
