"""The Stable Diffusion pipeline that is personalized, its parts in float32, from a folder or the hub."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTokenizer

from models.kv_boundary import UnsupportedModelError, check_supported
from models.weights_hash import weights_sha256
from server_distill.personalization.concepts import PersonalizationError

PARTS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")


@dataclass
class Models:
    """A pipeline's parts. `vae` is None once nothing has to be encoded any more."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    vae: AutoencoderKL | None
    unet: UNet2DConditionModel
    schedule: DDPMScheduler

    def sha256(self) -> str:
        """Of the weights as loaded, which adapters and bundles know the model by."""
        assert self.vae is not None
        return weights_sha256({"vae": self.vae, "text_encoder": self.text_encoder, "unet": self.unet})


def load_models(args: argparse.Namespace) -> Models:
    """Everything frozen, in float32 on the CPU.

    Raises PersonalizationError: not found, not reachable, damaged, or no Stable Diffusion 1.x or 2.x.
    """
    name: str = args.pretrained_model_name_or_path
    _check_folder(name)
    hub: dict[str, Any] = {"revision": args.revision, "cache_dir": args.cache_dir}
    weights = {**hub, "variant": args.variant, "dtype": torch.float32}
    tokenizer: tuple[str, dict[str, Any]] = (name, {"subfolder": "tokenizer"})
    if args.tokenizer_name:
        tokenizer = (args.tokenizer_name, {})
    models = Models(
        _load(CLIPTokenizer.from_pretrained, tokenizer[0], **tokenizer[1], **hub),
        _load(CLIPTextModel.from_pretrained, name, subfolder="text_encoder", **weights),
        load_vae(args),
        _load(UNet2DConditionModel.from_pretrained, name, subfolder="unet", **weights),
        _load(DDPMScheduler.from_pretrained, name, subfolder="scheduler", **hub),
    )
    try:
        check_supported(models.unet)
    except UnsupportedModelError as error:
        raise PersonalizationError(f"{name} can't be personalized: {error}") from error
    width = models.text_encoder.config.hidden_size
    if width != models.unet.config.cross_attention_dim:
        raise PersonalizationError(
            f"{name}: the text encoder gives states of width {width}, the UNet takes "
            f"{models.unet.config.cross_attention_dim}"
        )
    if models.schedule.config.prediction_type not in ("epsilon", "v_prediction"):
        raise PersonalizationError(
            f"{name} predicts {models.schedule.config.prediction_type!r}; only epsilon and v_prediction can be trained"
        )
    for module in (models.text_encoder, models.unet):
        module.requires_grad_(False)
    return models


def load_vae(args: argparse.Namespace) -> AutoencoderKL:
    vae: AutoencoderKL = _load(
        AutoencoderKL.from_pretrained,
        args.pretrained_model_name_or_path,
        subfolder="vae",
        revision=args.revision,
        cache_dir=args.cache_dir,
        variant=args.variant,
        dtype=torch.float32,
    )
    return vae.requires_grad_(False).eval()


def own_scheduler(args: argparse.Namespace) -> Any:
    """The scheduler that the model came with; DDPM where diffusers knows none of its name."""
    hub: dict[str, Any] = {"subfolder": "scheduler", "revision": args.revision, "cache_dir": args.cache_dir}
    name = args.pretrained_model_name_or_path
    kind = getattr(diffusers, str(DDPMScheduler.load_config(name, **hub).get("_class_name")), DDPMScheduler)
    return kind.from_pretrained(name, **hub)


def _check_folder(name: str) -> None:
    folder = Path(name)
    if not folder.is_dir():
        return
    index = folder / "model_index.json"
    try:
        kind = json.loads(index.read_text())["_class_name"] if index.exists() else StableDiffusionPipeline.__name__
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PersonalizationError(f"{index} is damaged ({error})") from error
    if kind != StableDiffusionPipeline.__name__ or (folder / "text_encoder_2").exists():
        kind = kind if kind != StableDiffusionPipeline.__name__ else "pipeline with two text encoders"
        raise PersonalizationError(f"{name} holds a {kind}; only Stable Diffusion 1.x and 2.x can be personalized")
    for part in PARTS:
        if not (folder / part).is_dir():
            raise PersonalizationError(f"{name} is no pipeline folder: it has no {part}/")


def _load(from_pretrained: Callable[..., Any], name: str, **options: Any) -> Any:
    try:
        return from_pretrained(name, **options)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        part = options.get("subfolder", "")
        if not Path(name).is_dir():
            raise PersonalizationError(
                f"there is no folder {name}, and as a name on the hub it can't be fetched ({_first_line(error)})"
            ) from error
        raise PersonalizationError(f"{Path(name) / part} can't be loaded: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def new_pipeline(models: Models) -> StableDiffusionPipeline:
    """For drawing, by DPM-Solver++ (Lu et al. 2022); without a safety checker, which would black out class images."""
    # As pipelines correct old configurations by themselves, with a page of warnings.
    schedule = {**models.schedule.config, "steps_offset": 1, "clip_sample": False}
    pipeline = StableDiffusionPipeline(
        vae=models.vae,
        text_encoder=models.text_encoder,
        tokenizer=models.tokenizer,
        unet=models.unet,
        scheduler=DPMSolverMultistepScheduler.from_config(schedule),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
