"""Train the whole autoencoder on, so that latents hold what makes things recognizable, and still do under noise.

    python -m server_distill.default_model.refine_autoencoder --vae=out/train/vae --output_dir=out/train/refined

Squared error made the first encoder (`train_autoencoder.py`); here features and a critic have their say in what is
kept. And the decoder gets most latents with noise added, as much as a UNet leaves in what it says, so that the
encoder spreads what matters over latents that little changes destroy (Yang et al. 2025, "Latent denoising makes good
visual tokenizers", section 3.2). Latents are held near what they were: UNets trained on those soon know the new ones,
but must be trained on from here, on freshly cached ones. Resumable: run it again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from server_distill.default_model.painting_examples import PaintingExamples
from server_distill.default_model.painting_loss import PaintingLoss, add_painting_options
from server_distill.default_model.painting_run import add_run_options, save_autoencoder
from server_distill.default_model.pipeline import VAE_WIDTHS
from server_distill.default_model.train_autoencoder import psnr
from server_distill.default_model.train_teacher import EMA_DECAY
from server_distill.default_model.widen import widen_autoencoder
from server_distill.training.command import exit_status
from server_distill.training.loop import draw, make_accelerator, train
from server_distill.training.precision import cpu_multiplies_bf16, has_gpu

CLEAN = 0.3
"""Share of latents that get no noise."""
ENCODER_RATE = 0.6
"""The encoder's learning rate, relative to the decoder's: UNets have to follow it."""
STANDARD_DEVIATION_WEIGHT = 1.0
"""Of the squared error of the latents' standard deviation: larger ones would drown the noise."""


class Autoencoder(nn.Module):
    """Pictures (B, 3, H, W) in −1…1 and noise (B, 4, h, w) → mean latents as the noise, and what is painted of both."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.encoder, self.quant_conv = vae.encoder, vae.quant_conv
        self.post_quant_conv, self.decoder = vae.post_quant_conv, vae.decoder

    def forward(self, pixels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.quant_conv(self.encoder(pixels)).chunk(2, dim=1)[0].float()
        return mean, self.decoder(self.post_quant_conv(mean + noise))


class AutoencoderLosses:
    """What `PaintingLoss` says of one micro-step's pictures, `drift` of the latents and `spread`, their deviation.

    Both in units of the deviation that the latents had; beside them `psnr` of latents without noise.
    """

    def __init__(
        self, args: argparse.Namespace, accelerator: Accelerator, started: AutoencoderKL, model: nn.Module
    ) -> None:
        self.args, self.accelerator, self.started, self.model = args, accelerator, started, model
        self.scale = started.config.scaling_factor
        self.examples = PaintingExamples()
        self.painting = PaintingLoss(accelerator, args.perceptual_weight, args.critic_weight)

    def prepare(self, model: nn.Module) -> None:
        self.model = model

    def losses(self, micro_step: int) -> Mapping[str, Tensor]:
        args, process, device = self.args, self.accelerator.process_index, self.accelerator.device
        rng = np.random.default_rng([args.seed, micro_step, process])
        pixels, weight, _ = self.examples.batch(rng, args.train_batch_size, device)
        with torch.no_grad(), self.accelerator.autocast():
            before = self.started.encode(pixels).latent_dist.mean.float()
        generator = draw(args.seed, micro_step, process)
        noise, clean = self.noise(before.shape, generator)
        latents, painted = self.model(pixels, noise.to(device))
        painted = painted.float()
        named = self.painting(painted, pixels, weight, micro_step)
        drift = (self.scale * (latents - before)).square().mean()
        spread = self.scale * latents.std()
        loss = named["loss"] + args.drift_weight * drift + STANDARD_DEVIATION_WEIGHT * (spread - 1).square()
        quality = psnr(painted[clean].detach(), pixels[clean]).mean()
        return {**named, "loss": loss, "drift": drift.detach(), "spread": spread.detach(), "psnr": quality}

    def noise(self, shape: torch.Size, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Noise (B, 4, h, w) of up to `--noise` of the latents' deviation, and which rows (B,) have none: some do."""
        strength = torch.rand(shape[0], generator=generator) * self.args.noise
        clean = torch.rand(shape[0], generator=generator) < CLEAN
        clean[0] = True
        strength[clean] = 0
        return torch.randn(shape, generator=generator) * strength.view(-1, 1, 1, 1) / self.scale, clean


def refine_autoencoder(args: argparse.Namespace) -> None:
    """The whole run. Raises CheckpointError, NotFiniteError or OSError with a message that says what to do."""
    begun = time.monotonic()
    started = AutoencoderKL.from_pretrained(args.vae, dtype=torch.float32).requires_grad_(False).eval()
    vae = widen_autoencoder(started, VAE_WIDTHS).train()
    accelerator = make_accelerator(
        args, args.mixed_precision or ("bf16" if cpu_multiplies_bf16() and not has_gpu() else "no")
    )
    for module in (started, vae):
        module.to(accelerator.device, memory_format=torch.channels_last)
    model = Autoencoder(vae)
    work = AutoencoderLosses(args, accelerator, started, model)
    average = EMAModel(model.parameters(), decay=EMA_DECAY)
    groups = [
        {"params": [*vae.encoder.parameters(), *vae.quant_conv.parameters()], "lr": ENCODER_RATE * args.learning_rate},
        {"params": [*vae.post_quant_conv.parameters(), *vae.decoder.parameters()]},
    ]
    steps = args.max_train_steps
    done = train(
        accelerator, args, model, work.losses, steps, prepare_losses=work.prepare, groups=groups, average=average
    )
    if accelerator.is_main_process:
        average.copy_to(model.parameters())
        save_autoencoder(args, vae, done, begun)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_argument_group("autoencoder")
    group.add_argument("--vae", type=Path, default=Path("out/train/vae"), help="autoencoder to start from")
    add_painting_options(group)
    group.add_argument("--noise", type=float, default=0.4, help="at most, over the latents' standard deviation")
    group.add_argument(
        "--drift_weight", type=float, default=0.05, help="of latents' squared distance to what they were"
    )
    add_run_options(parser, warmup=30, seed=5, steps=1200)
    return parser


def main(arguments: list[str] | None = None) -> int:
    return exit_status(refine_autoencoder, parser().parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
