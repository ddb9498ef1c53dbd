"""Train the default model's image decoder to paint well what UNets say, and the latents of real pictures.

    python -m server_distill.default_model.train_decoder --vae=out/train/vae --output_dir=out/train/decoder

A UNet's latents are never quite those of a picture: what it cannot tell it averages, and a decoder that only ever saw
real latents paints the average as a blur. So most of the latents here were noised and denoised again by the student,
which leaves a picture's layout and loses what a UNet loses; the decoder has to paint the picture itself from them, and
a critic (`critic.py`) beside the features' distance sees to it that details are decided on. The encoder stays as it is,
and so does every latent that a UNet was trained on. Resumable: run it again.
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
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from server_distill.default_model.cpu_speed import faster_precision, make_fast
from server_distill.default_model.exit_status import exit_status
from server_distill.default_model.painting_examples import PaintingExamples
from server_distill.default_model.painting_loss import PaintingLoss, add_painting_options
from server_distill.default_model.painting_run import add_run_options, save_autoencoder
from server_distill.default_model.pipeline import VAE_WIDTHS
from server_distill.default_model.train_autoencoder import psnr
from server_distill.default_model.train_teacher import EMA_DECAY
from server_distill.default_model.widen import widen_autoencoder
from server_distill.training.load_part import load_part
from server_distill.training.loop import draw, make_accelerator, train

CLEAN = 0.25
"""Share of latents that come straight from the encoder."""
NOISIEST = 500
"""Timestep from which latents are denoised at most: beyond it the object's layout would not stay."""
DENOISING_STEPS = 3
GUIDANCE_SCALE = 3.0


class Decoder(nn.Module):
    """Latents as the autoencoder has them, unscaled (B, 4, h, w), to pictures (B, 3, H, W) in −1…1 and a bit beyond."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.post_quant_conv, self.decoder = vae.post_quant_conv, vae.decoder

    def forward(self, latents: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(latents))


class Repainter:
    """Noises latents and lets a pipeline's UNet denoise them with DPM-Solver++, as their captions have it."""

    def __init__(self, pipeline: StableDiffusionPipeline, precision: str) -> None:
        self.unet, self.text = pipeline.unet.eval(), pipeline.text_encoder.eval()
        self.tokenizer, self.config = pipeline.tokenizer, pipeline.scheduler.config
        self.scale = pipeline.vae.config.scaling_factor
        make_fast(self.unet, precision)

    @torch.no_grad()
    def __call__(self, latents: Tensor, captions: list[str], generator: torch.Generator) -> Tensor:
        """Unscaled latents (B, 4, h, w), noised up to one timestep below `NOISIEST` for all, and denoised again."""
        first = int(torch.randint(DENOISING_STEPS, NOISIEST, (1,), generator=generator))
        timesteps = [first * (DENOISING_STEPS - i) // DENOISING_STEPS for i in range(DENOISING_STEPS)]
        scheduler = DPMSolverMultistepScheduler.from_config(self.config)
        scheduler.set_timesteps(timesteps=timesteps)
        ids = self.tokenizer([""] * len(captions) + captions, padding="max_length", truncation=True).input_ids
        hidden = self.text(torch.tensor(ids, device=latents.device)).last_hidden_state
        noise = torch.randn(latents.shape, generator=generator).to(latents.device)
        sample = scheduler.add_noise(latents * self.scale, noise, scheduler.timesteps[:1])
        for timestep in scheduler.timesteps:
            output = self.unet(torch.cat([sample, sample]), timestep, hidden, return_dict=False)[0].float()
            without, with_caption = output.chunk(2)
            guided = without + GUIDANCE_SCALE * (with_caption - without)
            sample = scheduler.step(guided, timestep, sample, return_dict=False)[0]
        return sample / self.scale


class DecoderLosses:
    """What `PaintingLoss` says of one micro-step's pictures, and `psnr` of those with clean latents."""

    def __init__(
        self,
        args: argparse.Namespace,
        accelerator: Accelerator,
        encoding: AutoencoderKL,
        decoder: Decoder,
        repaint: Repainter,
    ) -> None:
        self.args, self.accelerator, self.encoding, self.repaint = args, accelerator, encoding, repaint
        self.examples = PaintingExamples()
        self.painting = PaintingLoss(accelerator, args.perceptual_weight, args.critic_weight, args.recognition_weight)
        self.decoder: nn.Module = decoder

    def prepare(self, decoder: nn.Module) -> None:
        self.decoder = decoder

    def losses(self, micro_step: int) -> Mapping[str, Tensor]:
        args, process = self.args, self.accelerator.process_index
        rng = np.random.default_rng([args.seed, micro_step, process])
        pixels, weight, captions = self.examples.batch(rng, args.train_batch_size, self.accelerator.device)
        clean = max(1, round(CLEAN * args.train_batch_size))
        with torch.no_grad():
            latents = self.encoding.encode(pixels).latent_dist.mean
        with self.accelerator.autocast():
            generator = draw(args.seed, micro_step, process)
            latents[clean:] = self.repaint(latents[clean:], captions[clean:], generator)
        painted = self.decoder(latents).float()
        named = self.painting(painted, pixels, weight, micro_step)
        return {**named, "psnr": psnr(painted[:clean].detach(), pixels[:clean]).mean()}


def train_decoder(args: argparse.Namespace) -> None:
    """The whole run. Raises CheckpointError, NotFiniteError or OSError with a message that says what to do."""
    begun = time.monotonic()
    started = load_part(AutoencoderKL, args.vae).requires_grad_(False).eval()
    vae = widen_autoencoder(started, VAE_WIDTHS).eval()
    pipeline = load_part(StableDiffusionPipeline, args.unet, safety_checker=None, dtype=torch.float32)
    accelerator = make_accelerator(args, args.mixed_precision or faster_precision(pipeline.unet), small=True)
    for module in (started, vae, pipeline.unet, pipeline.text_encoder):
        module.to(accelerator.device, memory_format=torch.channels_last)
    decoder = Decoder(vae)
    work = DecoderLosses(args, accelerator, started, decoder, Repainter(pipeline, accelerator.mixed_precision))
    average = EMAModel(decoder.parameters(), decay=EMA_DECAY)
    done = train(
        accelerator, args, decoder, work.losses, args.max_train_steps, prepare_losses=work.prepare, average=average
    )
    if accelerator.is_main_process:
        average.copy_to(decoder.parameters())
        save_autoencoder(args, vae, done, begun)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_argument_group("decoder")
    group.add_argument("--vae", type=Path, default=Path("out/train/vae"), help="autoencoder to start from")
    group.add_argument("--unet", type=Path, default=Path("models/default/student"), help="pipeline that denoises")
    add_painting_options(group)
    add_run_options(parser, warmup=50, seed=3, steps=3400)
    return exit_status(train_decoder, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
