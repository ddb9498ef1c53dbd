"""Compose captioned pictures and encode them once, so that the UNet trains on latents alone.

    python -m server_distill.default_model.cache_latents --vae out/train/vae --tokenizer out/train/tokenizer \\
      --output out/train/latents.pt
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from tqdm import tqdm
from transformers import CLIPTokenizer

from server_distill.default_model.exit_status import exit_status
from server_distill.default_model.objects import load_cutout, read_catalogue
from server_distill.default_model.scenes import as_pixels, caption, random_scene, random_tint
from server_distill.training.host_memory import keep_freed_tensors
from server_distill.training.load_part import load_part
from server_distill.training.state import save_state

CAPTIONS_PER_PICTURE = 3


@torch.no_grad()
def cache_latents(
    vae: AutoencoderKL, tokenizer: CLIPTokenizer, count: int, seed: int, bf16: bool = False
) -> dict[str, torch.Tensor]:
    """`count` pictures, every object equally often, encoded in float32 or with `bf16` products.

    Returns latents float16 (N, 4, 16, 16) unscaled means, coverage uint8 (N, 16, 16) of the object in 0…255,
    token ids int16 (N, 3, n) of three captions a picture, and the object's row in the catalogue int16 (N,).
    """
    items = read_catalogue("train")
    cutouts = [load_cutout(item) for item in items]
    rng = np.random.default_rng(seed)
    latents, coverage, tokens, objects = [], [], [], []
    for start in tqdm(range(0, count, 32), desc="encoding pictures", unit_scale=32, unit=" pictures"):
        rows = [i % len(items) for i in range(start, min(start + 32, count))]
        scenes = [random_scene(cutouts[row], rng, tint=random_tint(items[row], rng)) for row in rows]
        pixels = as_pixels(np.stack([s.pixels for s in scenes]))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            latents.append(vae.encode(pixels).latent_dist.mean.half())
        masks = torch.from_numpy(np.stack([s.coverage for s in scenes]))
        coverage.append((F.avg_pool2d(masks[:, None], 8)[:, 0] * 255).to(torch.uint8))
        texts = [
            caption(items[r], s, rng) for r, s in zip(rows, scenes, strict=True) for _ in range(CAPTIONS_PER_PICTURE)
        ]
        ids = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        tokens.append(ids.view(len(rows), CAPTIONS_PER_PICTURE, -1).to(torch.int16))
        objects += rows
    return {
        "latents": torch.cat(latents),
        "coverage": torch.cat(coverage),
        "tokens": torch.cat(tokens),
        "objects": torch.tensor(objects, dtype=torch.int16),
    }


def write_latents(args: argparse.Namespace) -> None:
    """The whole run. Raises CheckpointError or OSError with a message; an earlier cache then stays."""
    keep_freed_tensors()
    vae = load_part(AutoencoderKL, args.vae).eval().to(memory_format=torch.channels_last)
    tokenizer = load_part(CLIPTokenizer, args.tokenizer)
    cache = cache_latents(vae, tokenizer, args.count, args.seed, args.mixed_precision == "bf16")
    spread = cache["latents"].float().std().item()
    print(f"{len(cache['latents'])} latents, standard deviation {spread:.3f}, scaling factor {1 / spread:.5f}")
    save_state(args.output, {**cache, "scaling_factor": 1 / spread})


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vae", type=Path, default=Path("out/train/vae"))
    parser.add_argument("--tokenizer", type=Path, default=Path("out/train/tokenizer"))
    parser.add_argument("--output", type=Path, default=Path("out/train/latents.pt"))
    parser.add_argument("--count", type=int, default=24_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--mixed_precision", choices=("no", "bf16"), default="no", help="bf16 is faster where the processor has it"
    )
    return exit_status(write_latents, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
