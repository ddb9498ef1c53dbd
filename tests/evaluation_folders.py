"""What tests of the evaluation run on: a CLIP and two DINOs of random weights, photos, and the command's options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    Dinov2Config,
    Dinov2Model,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

from tests.sd_shaped import VOCABULARY, save_tokenizer

PROMPTS = "a photo of a {} on grass\n\na photo of a {} in the snow\na photo of a {} on grass\na bucket\n"
"""Three prompts, one of them twice."""
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}


def make_clip(folder: Path) -> Path:
    text = {**SMALL, "vocab_size": VOCABULARY, "max_position_embeddings": 16, "eos_token_id": VOCABULARY - 1}
    torch.manual_seed(1)
    CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=12)).save_pretrained(folder)
    save_tokenizer(folder / "tokenizer", 16)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(images, CLIPTokenizer.from_pretrained(folder / "tokenizer")).save_pretrained(folder)
    return folder


def make_dino(folder: Path, kind: str) -> Path:
    """The kind "dino", whose checkpoint has no pooler, or "dinov2"."""
    torch.manual_seed(2)
    if kind == "dino":
        network = ViTModel(ViTConfig(**VISION), add_pooling_layer=False)
    else:
        network = Dinov2Model(Dinov2Config(**{**VISION, "mlp_ratio": 2}))
    network.save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def photos(folder: Path, count: int, seed: int) -> Path:
    """Smooth random pictures of different sizes and formats."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for i in range(count):
        small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        small.resize((50 + 10 * i, 64), Image.Resampling.BICUBIC).save(folder / f"{i}.{('png', 'jpg')[i % 2]}")
    return folder


def options(model: Path, prompts: Path, output: Path, **changes: Any) -> list[str]:
    given = {
        "model": model,
        "prompts": prompts,
        "output": output,
        "subject": "dog",
        "steps": 2,
        "pictures_per_prompt": 2,
        "guidance_scale": 2.0,
        **changes,
    }
    pairs = [(f"--{name.replace('_', '-')}", value) for name, value in given.items() if value is not None]
    return [part for name, value in pairs for part in ([name] if value is True else [name, str(value)])]


def report_of(output: Path) -> dict[str, Any]:
    report = json.loads((output / "report.json").read_text())
    assert all(value is None or isinstance(value, str | int | float) for value in report.values())
    return report


def times(output: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (output / "pictures").glob("*.png")}
