"""A Stable Diffusion 1.x or 2.x pipeline folder in diffusers' layout, read whole and from the disk only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors import SafetensorError
from transformers import CLIPTextModel, CLIPTokenizer

from models.weights_hash import weights_sha256
from server_distill.evaluation.error import EvaluationError

SAMPLERS = ("dpmsolver++", "own")
"""DPM-Solver++ (Lu et al. 2022), or the scheduler that the folder names."""
PARTS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file. Raises EvaluationError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise EvaluationError(f"{path} holds no JSON object")
    return content


def load_pipeline(folder: Path, sampler: str = SAMPLERS[0]) -> StableDiffusionPipeline:
    """The pipeline in float32 on the CPU, without a safety checker: a picture blacked out would spoil every score.

    Raises EvaluationError that says what the folder lacks.
    """
    for part in PARTS:
        if not (folder / part).is_dir():
            raise EvaluationError(f"{folder} is no pipeline folder: it has no {part}/")
    index = folder / "model_index.json"
    kind = read_json(index).get("_class_name", "") if index.exists() else StableDiffusionPipeline.__name__
    if kind != StableDiffusionPipeline.__name__:
        raise EvaluationError(f"{folder} holds a {kind}; only a StableDiffusionPipeline can be evaluated")
    named = read_json(folder / "scheduler" / "scheduler_config.json").get("_class_name", "")
    scheduler = DPMSolverMultistepScheduler if sampler == "dpmsolver++" else getattr(diffusers, str(named), None)
    if scheduler is None:
        raise EvaluationError(f"{folder}/scheduler: diffusers has no {named!r}; give --sampler dpmsolver++")
    local: dict[str, Any] = {"local_files_only": True, "dtype": torch.float32}
    try:
        pipeline = StableDiffusionPipeline(
            vae=AutoencoderKL.from_pretrained(folder / "vae", **local),
            text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", **local),
            tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
            unet=UNet2DConditionModel.from_pretrained(folder / "unet", **local),
            scheduler=scheduler.from_pretrained(folder / "scheduler", local_files_only=True),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise EvaluationError(f"{folder} cannot be loaded: {error}") from error
    for part in (pipeline.vae, pipeline.text_encoder, pipeline.unet):
        part.eval().requires_grad_(False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def pipeline_sha256(pipeline: StableDiffusionPipeline) -> str:
    """The hash that adapter files and bundles know the model by: of its float32 weights, before any adapter."""
    return weights_sha256({"vae": pipeline.vae, "text_encoder": pipeline.text_encoder, "unet": pipeline.unet})


def recommended_sampling(folder: Path) -> dict[str, Any]:
    """`sampling` of recommended.json: steps and guidance_scale as the model wants them; empty where it has none."""
    path = folder / "recommended.json"
    sampling = read_json(path).get("sampling", {}) if path.exists() else {}
    return sampling if isinstance(sampling, dict) else {}
