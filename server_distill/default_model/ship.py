"""Put trained networks where the repository ships them: fp16 diffusers folders and their training figures.

    python -m server_distill.default_model.ship --train out/train --output models/default

Replaces models/default/teacher, student and prior_pack.safetensors. The prior pack is sampled anew, from the teacher.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline

from models.whole_files import whole_file
from server_distill.default_model import make_prior_pack
from server_distill.default_model.exit_status import exit_status
from server_distill.training.checkpoints import CheckpointError
from server_distill.training.load_part import load_part

LIMIT_BYTES = 100_000_000
RECOMMENDED = Path(__file__).parent / "data" / "recommended.json"
"""Settings for personalizing and sampling that suit the default student; the exporter writes them into the manifest."""


@torch.no_grad()
def encode_alike(a: AutoencoderKL, b: AutoencoderKL) -> bool:
    """Whether two encoders, maybe of different widths, give a picture the same latents up to fp16's rounding."""
    noise = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    first, second = (vae.float().eval().encode(noise).latent_dist.mean for vae in (a, b))
    return bool((first - second).square().mean() < 1e-4 * second.square().mean())


def with_newest_decoder(source: Path, vae: Path) -> StableDiffusionPipeline:
    """The pipeline in `source` with the decoder of `vae`, whose encoder must be the one its UNet was trained on."""
    pipeline = load_part(StableDiffusionPipeline, source, safety_checker=None)
    newest = load_part(AutoencoderKL, vae)
    newest.register_to_config(scaling_factor=pipeline.vae.config.scaling_factor)
    if not encode_alike(newest, pipeline.vae):
        raise CheckpointError(
            f"the encoder in {vae} is not the one that {source} was trained on: run `make latents teacher` again"
        )
    pipeline.vae = newest
    return pipeline


def put(pipeline: StableDiffusionPipeline, target: Path) -> None:
    """`pipeline` as fp16 in place of what is in `target`."""
    temporary = target.with_suffix(".new")
    shutil.rmtree(temporary, ignore_errors=True)
    pipeline.to(dtype=torch.float16).save_pretrained(temporary)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)


def training_figures(folder: Path) -> dict[str, Any]:
    """What a training wrote beside the network. Raises CheckpointError for what is no JSON object, and OSError."""
    path = folder / "training.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): copy it again or train that network again") from error


def ship(args: argparse.Namespace) -> None:
    """The whole run. Raises CheckpointError, EvaluationError or OSError with a message; nothing is replaced before
    everything has been read.
    """
    pipelines = {name: with_newest_decoder(args.train / name, args.train / "vae") for name in ("teacher", "student")}
    figures_file = args.output / "training.json"
    figures = training_figures(args.output) if figures_file.exists() else {}
    figures |= {name: training_figures(args.train / name) for name in pipelines}
    if (args.train / "vae" / "training.json").exists():  # else it is the one shipped before, and so are its figures
        figures["autoencoder"] = training_figures(args.train / "vae")

    args.output.mkdir(parents=True, exist_ok=True)
    for name, pipeline in pipelines.items():
        put(pipeline, args.output / name)
    shutil.copy(RECOMMENDED, args.output / "student" / "recommended.json")
    with whole_file(figures_file) as temporary:
        temporary.write_text(json.dumps(figures, indent=2) + "\n")
    pack = ["--model", str(args.output / "teacher"), "--output", str(args.output / "prior_pack.safetensors")]
    if make_prior_pack.main(pack) != 0:
        raise SystemExit(1)
    size = sum(path.stat().st_size for path in args.output.rglob("*") if path.is_file())
    print(f"{size / 1e6:.1f} MB in {args.output}")
    if size > LIMIT_BYTES:
        raise SystemExit(f"more than the {LIMIT_BYTES / 1e6:.0f} MB that the repository ships at most")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, default=Path("out/train"))
    parser.add_argument("--output", type=Path, default=Path("models/default"))
    return exit_status(ship, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
