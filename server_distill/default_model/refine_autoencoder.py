"""Train the whole autoencoder on, so that latents hold what makes things recognizable, and still do under noise.

    python -m server_distill.default_model.refine_autoencoder --vae=out/train/vae --output_dir=out/train/refined

Squared error made the first encoder (`train_autoencoder.py`); here features and a critic have their say in what is
kept. And the decoder gets most latents with noise added, as much as a UNet leaves in what it says, so that the
encoder spreads what matters over latents that little changes destroy (Yang et al. 2025, "Latent denoising makes good
visual tokenizers", section 3.2). Latents are held near what they were: UNets trained on those soon know the new ones,
but must be trained on from here, on freshly cached ones. `--moved` and `--stiffness_weight` make latents move as the
picture does (`moved_views.py`). Resumable: run it again.
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

from server_distill.default_model.exit_status import exit_status
from server_distill.default_model.moved_views import is_moved, moved, random_views
from server_distill.default_model.painting_examples import PaintingExamples
from server_distill.default_model.painting_loss import PaintingLoss, add_painting_options
from server_distill.default_model.painting_run import add_run_options, save_autoencoder
from server_distill.default_model.pipeline import VAE_WIDTHS
from server_distill.default_model.train_autoencoder import psnr
from server_distill.default_model.train_teacher import EMA_DECAY
from server_distill.default_model.widen import widen_autoencoder
from server_distill.training.load_part import load_part
from server_distill.training.loop import draw, make_accelerator, train
from server_distill.training.precision import cpu_multiplies_bf16, has_gpu

CLEAN = 0.3
"""Share of latents that get no noise."""
ENCODER_RATE = 0.6
"""The encoder's learning rate, relative to the decoder's: UNets have to follow it."""
STANDARD_DEVIATION_WEIGHT = 1.0
"""Of the squared error of the latents' standard deviation: larger ones would drown the noise."""


class Autoencoder(nn.Module):
    """Pictures (B, 3, H, W) in −1…1, views (B, 2, 3), noise (B, 4, h, w) → mean latents as the noise, and what is
    painted of them, moved as the views have it, and of the noise.
    """

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.encoder, self.quant_conv = vae.encoder, vae.quant_conv
        self.post_quant_conv, self.decoder = vae.post_quant_conv, vae.decoder

    def forward(self, pixels: Tensor, views: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.encode(pixels)
        return mean, self.decoder(self.post_quant_conv(moved(mean, views) + noise))

    def encode(self, pixels: Tensor) -> Tensor:
        return self.quant_conv(self.encoder(pixels)).chunk(2, dim=1)[0].float()


class AutoencoderLosses:
    """What `PaintingLoss` says of one micro-step's pictures, `drift` of the latents and `spread`, their deviation, in
    units of the deviation that the latents had.

    Beside them `psnr` of latents as they are, and `stiffness`: how far moved latents are from those of the moved
    picture, squared, in units of their variance. 0 is a latent that moves with the picture.
    """

    def __init__(
        self, args: argparse.Namespace, accelerator: Accelerator, started: AutoencoderKL, model: nn.Module
    ) -> None:
        self.args, self.accelerator, self.started, self.model = args, accelerator, started, model
        self.scale = started.config.scaling_factor
        self.examples = PaintingExamples()
        self.painting = PaintingLoss(accelerator, args.perceptual_weight, args.critic_weight, args.recognition_weight)

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
        views = random_views(len(pixels), args.moved, generator)
        clean &= ~is_moved(views)
        noise, views = noise.to(device), views.to(device)
        latents, painted = self.model(pixels, views, noise)
        painted = painted.float()
        wanted, weight = moved(pixels, views).clamp(-1, 1), moved(weight, views).clamp(min=0)
        named = self.painting(painted, wanted, weight / weight.mean(), micro_step)
        drift = (self.scale * (latents - before)).square().mean()
        spread = self.scale * latents.std()
        stiffness = self.stiffness(latents, wanted, views)
        loss = named["loss"] + args.drift_weight * drift + args.stiffness_weight * stiffness
        loss = loss + STANDARD_DEVIATION_WEIGHT * (spread - 1).square()
        named |= {"drift": drift.detach(), "stiffness": stiffness.detach(), "spread": spread.detach()}
        quality = psnr(painted[clean].detach(), pixels[clean]).mean()
        return {**named, "loss": loss, "psnr": quality}

    def stiffness(self, latents: Tensor, wanted: Tensor, views: Tensor) -> Tensor:
        """Of `latents`, whose picture looks like `wanted` once moved; 0 where `views` move nothing."""
        rows = is_moved(views)
        if not rows.any():
            return latents.new_zeros(())
        with self.accelerator.autocast(), torch.set_grad_enabled(self.args.stiffness_weight > 0):
            own = self.accelerator.unwrap_model(self.model).encode(wanted[rows])
        return (self.scale * (moved(latents[rows], views[rows]) - own)).square().mean()

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
    started = load_part(AutoencoderKL, args.vae, dtype=torch.float32).requires_grad_(False).eval()
    vae = widen_autoencoder(started, VAE_WIDTHS).train()
    precision = args.mixed_precision or ("bf16" if cpu_multiplies_bf16() and not has_gpu() else "no")
    accelerator = make_accelerator(args, precision, small=True)
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
    group.add_argument(
        "--moved", type=float, default=0.0, help="share of latents that are moved, and must decode to the moved picture"
    )
    group.add_argument(
        "--stiffness_weight", type=float, default=0.0, help="of moved latents' squared distance to the moved picture's"
    )
    add_run_options(parser, warmup=30, seed=5, steps=1200)
    return parser


def main(arguments: list[str] | None = None) -> int:
    return exit_status(refine_autoencoder, parser().parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
