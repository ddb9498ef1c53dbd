"""Measure the default model: autoencoder, prompt fidelity, backgrounds, Fréchet distance, and sheets to look at.

    python -m server_distill.default_model.evaluate --teacher models/default/teacher --student models/default/student

Writes report.json (flat keys), report.md and PNG sheets to `--output`. What the scores are:

    autoencoder_psnr_db       mean PSNR over pictures of objects the autoencoder never saw
    <net>_object_top5         share of prompts whose object is among the five nearest, by Lite2 cosine, of all objects
    <net>_object_cosine       mean of that cosine to the prompted object
    <net>_background          share of prompts whose background a linear probe on border cells names rightly
    <net>_frechet_lite0       Fréchet distance (Heusel et al. 2017) in Lite0 features against real compositions; with a
                              few hundred pictures in 1280 dimensions it compares networks, and means nothing by itself

Every score is also computed on real compositions of the same prompts (`real_…`), the most that the measure can give,
and on those after the autoencoder (`decoded_…`), the most that a UNet's latents can.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from tqdm import tqdm

from server_distill.contact_sheet import contact_sheet
from server_distill.default_model.background_probe import BackgroundProbe
from server_distill.default_model.backgrounds import PAINTERS
from server_distill.default_model.exit_status import exit_status
from server_distill.default_model.object_gallery import ObjectGallery
from server_distill.default_model.objects import load_cutout, read_catalogue
from server_distill.default_model.scenes import Placement, as_pixels, compose, place_words, random_scene, with_article
from server_distill.default_model.train_autoencoder import psnr
from server_distill.evaluation.image_features import pooled_features
from server_distill.evaluation.image_scores import frechet_distance
from server_distill.evaluation.pipeline import load_pipeline


def draw(pipeline: StableDiffusionPipeline, prompts: list[str], steps: int, guidance: float, name: str) -> np.ndarray:
    """One picture a prompt, uint8 (N, H, W, 3); picture i has seed i, whatever the batch."""
    rows = []
    for start in tqdm(range(0, len(prompts), 16), desc=f"{name} draws", unit_scale=16, unit=" pictures"):
        part = prompts[start : start + 16]
        generators = [torch.Generator().manual_seed(start + i) for i in range(len(part))]
        result = pipeline(
            part, num_inference_steps=steps, guidance_scale=guidance, generator=generators, output_type="np"
        )
        rows.append((result.images * 255 + 0.5).astype(np.uint8))
    return np.concatenate(rows)


def evaluate(args: argparse.Namespace) -> None:
    """The whole run. Raises EvaluationError or OSError with a message."""
    args.output.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    pipelines = {"teacher": load_pipeline(args.teacher), "student": load_pipeline(args.student)}

    items, rng = read_catalogue("train"), np.random.default_rng(2)
    cutouts = [load_cutout(item) for item in items]
    backgrounds = list(PAINTERS)
    chosen = [i % len(items) for i in range(args.prompts)]
    places = [backgrounds[int(rng.integers(len(backgrounds)))] for _ in chosen]
    prompts = [
        f"a photo of {with_article(items[i].name)} {place_words(p)}" for i, p in zip(chosen, places, strict=True)
    ]
    real = np.stack(
        [compose(cutouts[i], p, Placement(0.75, 0, 0, False), rng).pixels for i, p in zip(chosen, places, strict=True)]
    )
    vae = pipelines["student"].vae
    pictures = {"real": real, "decoded": encode_and_decode(vae, real)}
    for name, pipeline in pipelines.items():
        pictures[name] = draw(pipeline, prompts, args.steps, args.guidance_scale, name)

    report: dict[str, float] = {"prompts": args.prompts, "autoencoder_psnr_db": autoencoder_psnr(vae)}
    probe, gallery = BackgroundProbe(cutouts), ObjectGallery(items)
    real_features = pooled_features(real, "lite0")
    for name, drawn in pictures.items():
        scores = gallery.scores(drawn, chosen)
        report[f"{name}_object_top5"], report[f"{name}_object_cosine"] = scores
        report[f"{name}_background"] = probe.accuracy(drawn, places)
        if name != "real":
            report[f"{name}_frechet_lite0"] = frechet_distance(pooled_features(drawn, "lite0"), real_features)
    for name in pipelines:
        contact_sheet(
            [list(pictures[name][:48])[r * 8 : r * 8 + 8] for r in range(6)],
            args.output / f"{name}.png",
            captions=[prompts[:48][r * 8 : r * 8 + 8] for r in range(6)],
        )
    rows = [list(drawn[48:58]) for drawn in pictures.values()]
    contact_sheet(rows, args.output / "side_by_side.png", captions=[prompts[48:58]] + [[""] * 10] * 3)
    report["seconds"] = round(time.monotonic() - started)
    report = {key: round(value, 4) for key, value in report.items()}
    (args.output / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    table = "| measure | value |\n| --- | --- |\n" + "".join(f"| {key} | {value} |\n" for key, value in report.items())
    (args.output / "report.md").write_text(table)
    print(table)


@torch.no_grad()
def encode_and_decode(vae: AutoencoderKL, pictures: np.ndarray) -> np.ndarray:
    """Pictures uint8 (N, H, W, 3) as the autoencoder gives them back."""
    rows = []
    for start in range(0, len(pictures), 16):
        latents = vae.encode(as_pixels(pictures[start : start + 16])).latent_dist.mean
        decoded = (vae.decode(latents).sample.clamp(-1, 1) + 1) * 127.5
        rows.append(decoded.round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
    return np.concatenate(rows)


def autoencoder_psnr(vae: AutoencoderKL) -> float:
    """Mean PSNR in dB over one random scene of each held-out object."""
    rng = np.random.default_rng(4)
    scenes = np.stack([random_scene(load_cutout(item), rng).pixels for item in read_catalogue("held_out")])
    return float(psnr(as_pixels(encode_and_decode(vae, scenes)), as_pixels(scenes)).mean())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, default=Path("models/default/teacher"))
    parser.add_argument("--student", type=Path, default=Path("models/default/student"))
    parser.add_argument("--output", type=Path, default=Path("out/evaluate"))
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance-scale", type=float, default=3.0)
    return exit_status(evaluate, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
