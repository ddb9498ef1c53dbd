"""Draws an evaluation's pictures and keeps them: a PNG each, never drawn twice.

A picture's noise is its own generator's, seeded from its template and number: neither the batch nor the other prompts
change it, and the same template with and without a learned subject starts from the same noise. A settings file beside
the pictures says how all of them were drawn.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from tqdm import tqdm

from models.whole_files import whole_file
from server_distill.evaluation.error import EvaluationError
from server_distill.evaluation.pipeline import read_json
from server_distill.evaluation.prompts import fill

SETTINGS = "settings.json"
FOLDER = "pictures"
_NAME = re.compile(r"[a-z0-9-]*[0-9a-f]{12}-\d+\.png")


@dataclass(frozen=True)
class Picture:
    """Picture `number` of a prompt, which is `template` filled in."""

    template: str
    prompt: str
    number: int

    @property
    def name(self) -> str:
        """File name: the prompt's beginning for people, a hash, the number."""
        words = re.sub(r"[^a-z0-9]+", "-", self.prompt.lower()).strip("-")[:48]
        digest = hashlib.sha256(f"{self.template}\0{self.prompt}".encode()).hexdigest()
        return f"{words}-{digest[:12]}-{self.number}.png"

    @property
    def seed(self) -> int:
        """Of its torch.Generator on the CPU: 63 bits of SHA-256 over number and template."""
        digest = hashlib.sha256(f"{self.number}\0{self.template}".encode()).digest()
        return int.from_bytes(digest[:8], "little") >> 1


@dataclass(frozen=True)
class Sampling:
    """How pictures are drawn; `resolution` is the pixels of a side."""

    steps: int
    guidance_scale: float
    resolution: int


def plan(templates: Sequence[str], subject: str, numbers: Sequence[int]) -> list[Picture]:
    """Prompt by prompt; a template or a number given twice counts once."""
    unique = dict.fromkeys(templates)
    return [Picture(text, fill(text, subject), number) for text in unique for number in dict.fromkeys(numbers)]


def missing(pictures: Sequence[Picture], output: Path) -> list[Picture]:
    """Those of `pictures` that are not drawn yet."""
    return [picture for picture in pictures if not (output / FOLDER / picture.name).exists()]


def check_settings(output: Path, settings: dict[str, object]) -> None:
    """Raises EvaluationError where `output` holds pictures that were drawn otherwise, or nobody knows how."""
    path = output / SETTINGS
    advice = "give another --output, or --fresh to delete these pictures and draw all again"
    if not path.exists():
        if any(_drawn(output)):
            raise EvaluationError(f"{output} holds pictures but no {SETTINGS} that says how they were drawn: {advice}")
        return
    try:
        saved = read_json(path)
    except EvaluationError as error:
        raise EvaluationError(f"{error}: {advice}") from error
    changed = [name for name in sorted({*saved, *settings}) if saved.get(name) != settings.get(name)]
    if changed:
        parts = [f"{name} was {saved.get(name)}, is now {settings.get(name)}" for name in changed]
        raise EvaluationError(f"{output} holds pictures of other settings ({'; '.join(parts)}): {advice}")


def write_settings(output: Path, settings: dict[str, object]) -> None:
    (output / FOLDER).mkdir(parents=True, exist_ok=True)
    write_whole(output / SETTINGS, (json.dumps(settings, indent=1, ensure_ascii=False) + "\n").encode())


def forget(output: Path) -> None:
    """Delete the pictures of earlier runs and their settings, and nothing else."""
    for path in _drawn(output):
        path.unlink()
    (output / SETTINGS).unlink(missing_ok=True)


def _drawn(output: Path) -> list[Path]:
    return [path for path in sorted((output / FOLDER).glob("*.png")) if _NAME.fullmatch(path.name)]


def write_whole(path: Path, content: bytes) -> None:
    """Either all of `content` under the name `path`, or what was there before, whenever the process is killed."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def draw(pipeline: StableDiffusionPipeline, pictures: Sequence[Picture], sampling: Sampling) -> np.ndarray:
    """uint8 (N, H, W, 3), in one batch. Raises EvaluationError where the networks give values that are not finite."""
    result = pipeline(
        [picture.prompt for picture in pictures],
        num_inference_steps=sampling.steps,
        guidance_scale=sampling.guidance_scale,
        height=sampling.resolution,
        width=sampling.resolution,
        generator=[torch.Generator().manual_seed(picture.seed) for picture in pictures],
        output_type="np",
    )
    if not np.isfinite(result.images).all():
        raise EvaluationError("the pictures hold values that are not finite: try --dtype float32 or bfloat16")
    return (result.images * 255 + 0.5).astype(np.uint8)


def draw_missing(
    pipeline: StableDiffusionPipeline, pictures: Sequence[Picture], sampling: Sampling, batch: int, output: Path
) -> None:
    """Draw what is not in `output` yet, `batch` pictures at a time, each kept as soon as it is there."""
    to_draw = missing(pictures, output)
    done = len(pictures) - len(to_draw)
    with tqdm(total=len(pictures), initial=done, desc="drawing", unit=" pictures") as bar:
        for start in range(0, len(to_draw), batch):
            part = to_draw[start : start + batch]
            for picture, pixels in zip(part, draw(pipeline, part, sampling), strict=True):
                save_png(output / FOLDER / picture.name, pixels)
            bar.update(len(part))


def save_png(path: Path, pixels: np.ndarray) -> None:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    write_whole(path, buffer.getvalue())


def load_png(path: Path) -> np.ndarray:
    """A picture drawn earlier, uint8 (H, W, 3). Raises EvaluationError for a damaged one."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise EvaluationError(f"{path} is damaged ({error}): delete it and run again") from error


def seconds_a_picture(pipeline: StableDiffusionPipeline, picture: Picture, sampling: Sampling) -> float:
    """A rough guess from two short drawings of one picture: what is outside the steps, and what a step takes."""
    seconds = []
    for steps in (2, 2, 4):  # the first pays for what happens once
        begun = time.monotonic()
        draw(pipeline, [picture], Sampling(steps, sampling.guidance_scale, sampling.resolution))
        seconds.append(time.monotonic() - begun)
    a_step = max(0.0, (seconds[2] - seconds[1]) / 2)
    return max(0.0, seconds[1] - 2 * a_step) + a_step * sampling.steps
