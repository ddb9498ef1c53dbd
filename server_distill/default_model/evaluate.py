"""Measure the default model: autoencoder, prompt fidelity, backgrounds, Fréchet distance, and sheets to look at.

    python -m server_distill.default_model.evaluate --teacher models/default/teacher --student models/default/student

Writes report.json (flat keys), report.md and PNG sheets to `--output`. What the scores are:

    autoencoder_psnr_db       mean PSNR over pictures of objects the autoencoder never saw
    <net>_object_top5         share of prompts whose object is among the five nearest, by Lite2 cosine, of all objects
    <net>_background          share of prompts whose background a linear probe on border cells names rightly
    <net>_frechet_lite0       Fréchet distance (Heusel et al. 2017) in Lite0 features against real compositions; with a
                              few hundred pictures in 1280 dimensions it compares networks, and means nothing by itself

Every score is also computed on real compositions of the same prompts (`real_…`): the most that the measure can give.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from tqdm import tqdm

from server_distill.contact_sheet import contact_sheet
from server_distill.default_model.backgrounds import PAINTERS
from server_distill.default_model.objects import PictureObject, load_cutout, read_catalogue
from server_distill.default_model.scenes import Placement, compose, place_words, random_scene, with_article
from server_distill.default_model.train_autoencoder import psnr
from server_distill.evaluation.image_features import pooled_features
from server_distill.evaluation.image_scores import frechet_distance


def load_pipeline(folder: Path) -> StableDiffusionPipeline:
    """A diffusers folder in float32 with DPM-Solver++ (Lu et al. 2022), its progress bar off."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, safety_checker=None)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


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


def border_cells(pictures: np.ndarray) -> torch.Tensor:
    """Mean and spread of colour in the border cells of an 8×8 grid: float32 (N, 28·6)."""
    n, side = len(pictures), pictures.shape[1] // 8
    cells = pictures.reshape(n, 8, side, 8, side, 3).astype(np.float32) / 255
    both = np.concatenate([cells.mean((2, 4)), cells.std((2, 4)) * 4], axis=-1)
    edge = np.ones((8, 8), bool)
    edge[1:-1, 1:-1] = False
    return torch.from_numpy(both[:, edge].reshape(n, -1))


class BackgroundProbe:
    """A linear classifier of backgrounds, fitted on real compositions."""

    def __init__(self, cutouts: list, per_background: int = 60) -> None:
        rng = np.random.default_rng(5)
        self.names = list(PAINTERS)
        places = [
            Placement(float(rng.uniform(0.55, 0.95)), float(rng.uniform(-1, 1)), float(rng.uniform(-1, 1)), False)
            for _ in range(per_background)
        ]
        pictures = [
            compose(cutouts[int(rng.integers(len(cutouts)))], name, place, rng).pixels
            for name in self.names
            for place in places
        ]
        labels = torch.arange(len(self.names)).repeat_interleave(per_background)
        inputs = border_cells(np.stack(pictures))
        self.mean, self.deviation = inputs.mean(0), inputs.std(0) + 0.05
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(inputs.shape[1], len(self.names))
        optimizer = torch.optim.AdamW(self.layer.parameters(), lr=0.02, weight_decay=0.1)
        for _ in range(300):
            loss = torch.nn.functional.cross_entropy(self.layer((inputs - self.mean) / self.deviation), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    @torch.no_grad()
    def accuracy(self, pictures: np.ndarray, backgrounds: list[str]) -> float:
        """Share of pictures whose background is named rightly."""
        guesses = self.layer((border_cells(pictures) - self.mean) / self.deviation).argmax(1)
        wanted = torch.tensor([self.names.index(name) for name in backgrounds])
        return float((guesses == wanted).float().mean())


def object_gallery(items: list[PictureObject]) -> torch.Tensor:
    """Mean Lite2 feature of each object over four real compositions, normalized: (objects, 1280)."""
    rng = np.random.default_rng(6)
    pictures = np.stack([random_scene(load_cutout(item), rng).pixels for item in items for _ in range(4)])
    features = torch.nn.functional.normalize(pooled_features(pictures), dim=1)
    return torch.nn.functional.normalize(features.view(len(items), 4, -1).mean(1), dim=1)


def top5(pictures: np.ndarray, wanted: list[int], gallery: torch.Tensor) -> float:
    """Share of pictures whose object is among the five nearest of `gallery`, after removing the gallery's mean."""
    centre = gallery.mean(0)
    features = torch.nn.functional.normalize(pooled_features(pictures), dim=1)
    features = torch.nn.functional.normalize(features - centre, dim=1)
    near = (features @ torch.nn.functional.normalize(gallery - centre, dim=1).T).topk(5, dim=1).indices
    return float((near == torch.tensor(wanted)[:, None]).any(1).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, default=Path("models/default/teacher"))
    parser.add_argument("--student", type=Path, default=Path("models/default/student"))
    parser.add_argument("--output", type=Path, default=Path("out/evaluate"))
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance-scale", type=float, default=3.0)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

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
    probe, gallery = BackgroundProbe(cutouts), object_gallery(items)
    real_features = pooled_features(real, "lite0")
    report: dict[str, float] = {
        "prompts": args.prompts,
        "real_object_top5": top5(real, chosen, gallery),
        "real_background": probe.accuracy(real, places),
    }
    pictures = {"real": real}
    for name, folder in (("teacher", args.teacher), ("student", args.student)):
        pipeline = load_pipeline(folder)
        if name == "student":
            report["autoencoder_psnr_db"] = autoencoder_psnr(pipeline.vae)
        drawn = draw(pipeline, prompts, args.steps, args.guidance_scale, name)
        pictures[name] = drawn
        report[f"{name}_object_top5"] = top5(drawn, chosen, gallery)
        report[f"{name}_background"] = probe.accuracy(drawn, places)
        report[f"{name}_frechet_lite0"] = frechet_distance(pooled_features(drawn, "lite0"), real_features)
        contact_sheet(
            [list(drawn[:48])[r * 8 : r * 8 + 8] for r in range(6)],
            args.output / f"{name}.png",
            captions=[prompts[:48][r * 8 : r * 8 + 8] for r in range(6)],
        )
    rows = [list(pictures[name][48:58]) for name in ("real", "teacher", "student")]
    contact_sheet(rows, args.output / "side_by_side.png", captions=[prompts[48:58]] + [[""] * 10] * 2)
    report["seconds"] = round(time.monotonic() - started)
    report = {key: round(value, 4) for key, value in report.items()}
    (args.output / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    table = "| measure | value |\n| --- | --- |\n" + "".join(f"| {key} | {value} |\n" for key, value in report.items())
    (args.output / "report.md").write_text(table)
    print(table)


@torch.no_grad()
def autoencoder_psnr(vae: torch.nn.Module) -> float:
    """Mean PSNR in dB over one random scene of each held-out object."""
    rng = np.random.default_rng(4)
    scenes = np.stack([random_scene(load_cutout(item), rng).pixels for item in read_catalogue("held_out")])
    pixels = torch.from_numpy(scenes).permute(0, 3, 1, 2).float() / 127.5 - 1
    decoded = vae.decode(vae.encode(pixels).latent_dist.mean).sample.clamp(-1, 1)
    return float(psnr(decoded, pixels).mean())


if __name__ == "__main__":
    main()
