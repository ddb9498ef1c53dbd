"""Put trained networks where the repository ships them: fp16 diffusers folders and their training figures.

    python -m server_distill.default_model.ship --train out/train --output models/default

Replaces models/default/teacher, student and prior_pack.safetensors. The prior pack is sampled anew, from the teacher.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline

LIMIT_BYTES = 100_000_000
RECOMMENDED = Path(__file__).parent / "data" / "recommended.json"
"""Settings for personalizing and sampling that suit the default student; the exporter writes them into the manifest."""


@torch.no_grad()
def encode_alike(a: AutoencoderKL, b: AutoencoderKL) -> bool:
    """Whether two encoders, maybe of different widths, give a picture the same latents up to fp16's rounding."""
    noise = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    first, second = (vae.float().eval().encode(noise).latent_dist.mean for vae in (a, b))
    return bool((first - second).square().mean() < 1e-4 * second.square().mean())


def ship_pipeline(source: Path, vae: Path, target: Path) -> None:
    """`source` as fp16, with the newest decoder of `vae` (its encoder must be the one the UNet was trained on)."""
    pipeline = StableDiffusionPipeline.from_pretrained(source, safety_checker=None)
    newest = AutoencoderKL.from_pretrained(vae)
    newest.register_to_config(scaling_factor=pipeline.vae.config.scaling_factor)
    if not encode_alike(newest, pipeline.vae):
        raise SystemExit(
            f"the encoder in {vae} is not the one that {source} was trained on: run `make latents teacher` again"
        )
    pipeline.vae = newest
    temporary = target.with_suffix(".new")
    shutil.rmtree(temporary, ignore_errors=True)
    pipeline.to(dtype=torch.float16).save_pretrained(temporary)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, default=Path("out/train"))
    parser.add_argument("--output", type=Path, default=Path("models/default"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    figures_file = args.output / "training.json"
    figures = json.loads(figures_file.read_text()) if figures_file.exists() else {}
    for name in ("teacher", "student"):
        ship_pipeline(args.train / name, args.train / "vae", args.output / name)
        figures[name] = json.loads((args.train / name / "training.json").read_text())
    shutil.copy(RECOMMENDED, args.output / "student" / "recommended.json")
    newest = args.train / "vae" / "training.json"
    if newest.exists():  # else the autoencoder is the one that was shipped before, and so are its figures
        figures["autoencoder"] = json.loads(newest.read_text())
    figures_file.write_text(json.dumps(figures, indent=2) + "\n")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "server_distill.default_model.make_prior_pack",
            "--model",
            str(args.output / "teacher"),
            "--output",
            str(args.output / "prior_pack.safetensors"),
        ],
        check=True,
    )
    size = sum(path.stat().st_size for path in args.output.rglob("*") if path.is_file())
    print(f"{size / 1e6:.1f} MB in {args.output}")
    if size > LIMIT_BYTES:
        raise SystemExit(f"more than the {LIMIT_BYTES / 1e6:.0f} MB that the repository ships at most")


if __name__ == "__main__":
    main()
