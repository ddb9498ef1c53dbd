"""Make the prior pack: latents and captions of common classes, sampled from the model itself.

    python -m server_distill.default_model.make_prior_pack --model out/train/teacher \\
      --output models/default/prior_pack.safetensors

Custom Diffusion (Kumari et al. 2023, section 3.2) keeps the class's meaning by training on real pictures of it beside
the user's own. A phone has none and asks no service for any; the bundle brings these instead.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tqdm import tqdm

from models.whole_files import whole_file
from server_distill.default_model.backgrounds import PAINTERS
from server_distill.default_model.exit_status import exit_status
from server_distill.default_model.objects import read_catalogue
from server_distill.default_model.scenes import place_words, with_article
from server_distill.evaluation.pipeline import load_pipeline


def class_captions(per_class: int) -> dict[str, list[str]]:
    """For each class and family word, `per_class` captions over as many different backgrounds as there are."""
    items = read_catalogue("train")
    words = sorted({item.class_name for item in items} | {item.family for item in items})
    places = list(PAINTERS)
    return {
        word: [
            f"a photo of {with_article(word)} {place_words(places[(w * 7 + i * 3) % len(places)])}"
            for i in range(per_class)
        ]
        for w, word in enumerate(words)
    }


def write_pack(args: argparse.Namespace) -> None:
    """The whole run. Raises EvaluationError or OSError with a message; an earlier pack then stays."""
    pipeline = load_pipeline(args.model)
    captions = class_captions(args.per_class)
    flat = [text for texts in captions.values() for text in texts]
    rows = []
    for start in tqdm(range(0, len(flat), 24), desc="sampling the prior", unit_scale=24, unit=" latents"):
        part = flat[start : start + 24]
        generators = [torch.Generator().manual_seed(10_000 + start + i) for i in range(len(part))]
        result = pipeline(
            part,
            num_inference_steps=args.steps,
            guidance_scale=args.guidance_scale,
            generator=generators,
            output_type="latent",
        )
        rows.append(result.images.half())
    classes, first = {}, 0
    for word, texts in captions.items():
        classes[word] = {"latents": list(range(first, first + len(texts))), "captions": texts}
        first += len(texts)
    source = (
        f"sampled from the default teacher, {args.steps} steps of DPM-Solver++, guidance scale {args.guidance_scale}"
    )
    with whole_file(args.output) as temporary:
        save_file(
            {"latents": torch.cat(rows).contiguous()},
            temporary,
            metadata={"classes": json.dumps(classes), "source": source},
        )
    print(f"{first} latents of {len(classes)} classes in {args.output}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("out/train/teacher"))
    parser.add_argument("--output", type=Path, default=Path("models/default/prior_pack.safetensors"))
    parser.add_argument("--per-class", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--guidance-scale", type=float, default=3.0)
    return exit_status(write_pack, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
