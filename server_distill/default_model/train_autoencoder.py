"""Train the default model's autoencoder (diffusers `AutoencoderKL`, ÷8, 4 channels) from nothing.

    python -m server_distill.default_model.train_autoencoder --output out/train/vae --minutes 40

Resumable: run it again and it goes on from its checkpoint. Early steps see 64-pixel crops (four times as many steps a
second), the last part whole 128-pixel pictures. Its decoder is where `train_decoder` starts, which comes after the
UNets.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from tqdm import tqdm

from server_distill.default_model.autoencoder_start import start_from_block_averages
from server_distill.default_model.objects import load_cutout, read_catalogue
from server_distill.default_model.scenes import random_scene, random_tint
from server_distill.training.state import StopRequest, load_state, save_state

CONFIG = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (16, 24, 48, 96),
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 1,
    "sample_size": 128,
    "mid_block_add_attention": False,
}
KL_WEIGHT = 1e-6
"""Rombach et al. 2022 (Latent Diffusion, Appendix G) use 1e-6: the latents are only kept from drifting."""


def new_autoencoder() -> AutoencoderKL:
    """An untrained autoencoder that already passes block averages through."""
    model = AutoencoderKL(**CONFIG)
    start_from_block_averages(model)
    return model


def picture_batch(items: list, cutouts: list, rng: np.random.Generator, count: int, crop: int) -> torch.Tensor:
    """Random scenes of catalogue `items`: (count, 3, crop, crop) in −1…1; two crops are cut from each scene."""
    batch = np.empty((count, crop, crop, 3), np.float32)
    scene = None
    for i in range(count):
        if scene is None or crop == 128 or i % 2 == 0:
            row = int(rng.integers(len(items)))
            scene = random_scene(cutouts[row], rng, tint=random_tint(items[row], rng))
        top, left = (int(v) for v in rng.integers(0, 128 - crop + 1, 2))
        batch[i] = scene.pixels[top : top + crop, left : left + crop]
    return torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous() / 127.5 - 1


def psnr(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB, one value a picture, of pictures in −1…1."""
    return 10 * torch.log10(4 / (a - b).square().mean((1, 2, 3)).clamp_min(1e-10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("out/train/vae"))
    parser.add_argument("--minutes", type=float, default=40, help="how long this run trains at most")
    parser.add_argument("--steps", type=int, default=6000, help="length of the learning-rate schedule")
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument(
        "--batch", type=int, default=8, help="pictures a step (four times as many 64-pixel crops would fit)"
    )
    parser.add_argument(
        "--whole-from", type=float, default=0.8, help="share of the steps after which pictures are whole"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    items = read_catalogue("train")
    cutouts = [load_cutout(item) for item in items]
    model = new_autoencoder()
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    checkpoint = args.output / "checkpoint.pt"
    step, seconds = 0, 0.0
    if state := load_state(checkpoint):
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        step, seconds = state["step"], state["seconds"]
        optimizer.load_state_dict(state["optimizer"])
    stop = StopRequest()
    start = last = time.monotonic()
    begun = seconds
    test = picture_batch(items, cutouts, np.random.default_rng(10**6), 32, 128)
    bar = tqdm(total=args.steps, initial=step, desc="training", unit=" steps", disable=None)
    while step < args.steps and time.monotonic() - start < args.minutes * 60 and not stop:
        progress = step / args.steps
        rate = args.learning_rate * min(1, step / 100) * (0.03 + 0.97 * 0.5 * (1 + np.cos(np.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        whole = progress >= args.whole_from
        pixels = picture_batch(
            items, cutouts, np.random.default_rng([args.seed, step]), args.batch, 128 if whole else 64
        )
        posterior = model.encode(pixels).latent_dist
        decoded = model.decode(posterior.sample()).sample
        loss = (decoded - pixels).square().mean() + 0.1 * (decoded - pixels).abs().mean()
        loss = loss + KL_WEIGHT * posterior.kl().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        bar.update()
        decay = min(0.998, (step + 1) / (step + 10))
        with torch.no_grad():
            for a, p in zip(average.parameters(), model.parameters(), strict=True):
                a.lerp_(p, 1 - decay)
        if step % 100 == 0 or step == args.steps:
            seconds = begun + time.monotonic() - start
            tqdm.write(f"step {step} loss {loss.item():.4f} lr {rate:.2e} {seconds:.0f}s", file=sys.stderr)
        if time.monotonic() - last > 120 or step == args.steps or stop:
            last = time.monotonic()
            with torch.no_grad():
                score = psnr(average.decode(average.encode(test).latent_dist.mean).sample, test).mean().item()
            tqdm.write(f"step {step} PSNR {score:.2f} dB", file=sys.stderr)
            seconds = begun + time.monotonic() - start
            save_state(
                checkpoint,
                {
                    "model": model.state_dict(),
                    "average": average.state_dict(),
                    "step": step,
                    "optimizer": optimizer.state_dict(),
                    "seconds": seconds,
                },
            )
            average.save_pretrained(args.output)
            (args.output / "training.json").write_text(
                json.dumps({"steps": step, "seconds": round(seconds), "psnr_db": score})
            )


if __name__ == "__main__":
    main()
