"""Reads a Stable-Diffusion-shaped pipeline folder (diffusers' layout) and says what an exporter needs to know of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from models.kv_boundary import UnsupportedModelError, check_supported
from models.manifest import PREDICTION_TYPES, BundleError, Recommended
from models.strict_json import StrictJsonError, decode
from models.weights_hash import weights_sha256

PARTS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")


@dataclass(frozen=True)
class Pipeline:
    """The models in float32 and evaluation mode, with the tokenizer and the scheduler's betas (T,)."""

    folder: Path
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    unet: UNet2DConditionModel
    betas: list[float]
    prediction_type: str
    recommended: Recommended

    @property
    def vae_scale_factor(self) -> int:
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def latent_size(self) -> int:
        return int(self.unet.config.sample_size)

    @property
    def image_size(self) -> int:
        return self.latent_size * self.vae_scale_factor

    @property
    def max_length(self) -> int:
        return min(self.tokenizer.model_max_length, self.text_encoder.config.max_position_embeddings)

    def weights_sha256(self) -> str:
        return weights_sha256({"vae": self.vae, "text_encoder": self.text_encoder, "unet": self.unet})


def load_pipeline(folder: Path) -> Pipeline:
    """The pipeline in `folder`; UnsupportedModelError or FileNotFoundError says what is wrong with it."""
    for part in PARTS:
        if not (folder / part).is_dir():
            raise FileNotFoundError(f"{folder} is no pipeline folder: it has no {part}/")
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae").float().eval()
    text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").float().eval()
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet").float().eval()
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    scheduler = DDPMScheduler.from_pretrained(folder, subfolder="scheduler")
    pipeline = Pipeline(
        folder,
        vae,
        text_encoder,
        tokenizer,
        unet,
        torch.as_tensor(scheduler.betas).double().tolist(),
        scheduler.config.prediction_type,
        read_recommended(folder / "recommended.json"),
    )
    _check(pipeline)
    return pipeline


def read_recommended(path: Path) -> Recommended:
    """The model's recommended settings, `training` and `sampling`; none where the file is not there."""
    if not path.exists():
        return Recommended({}, {})
    try:
        return decode(Recommended, {"training": {}, "sampling": {}, **json.loads(path.read_text(encoding="utf-8"))})
    except (StrictJsonError, ValueError, TypeError) as error:
        raise BundleError(f"{path}: {error}") from error


def _check(pipeline: Pipeline) -> None:
    unet, vae, text = pipeline.unet.config, pipeline.vae.config, pipeline.text_encoder.config
    check_supported(pipeline.unet)
    if pipeline.prediction_type not in PREDICTION_TYPES:
        raise UnsupportedModelError(f"prediction type {pipeline.prediction_type!r} is not supported")
    if unet.cross_attention_dim != text.hidden_size:
        raise UnsupportedModelError(
            f"the UNet takes text states of width {unet.cross_attention_dim}, the text encoder gives {text.hidden_size}"
        )
    if not unet.in_channels == unet.out_channels == vae.latent_channels:
        raise UnsupportedModelError(
            f"latent channels differ: UNet {unet.in_channels} → {unet.out_channels}, autoencoder {vae.latent_channels}"
        )
    if getattr(vae, "shift_factor", None):
        raise UnsupportedModelError("an autoencoder with a shift factor is not supported")
    if pipeline.latent_size % 2 ** (len(unet.block_out_channels) - 1):
        raise UnsupportedModelError("the latent size is not divisible by the UNet's downsampling")
    for token in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if getattr(pipeline.tokenizer, token) is None:
            raise UnsupportedModelError(f"the tokenizer has no {token}")
    if len(pipeline.tokenizer) > text.vocab_size:
        raise UnsupportedModelError(
            f"the tokenizer has {len(pipeline.tokenizer)} tokens, the text encoder {text.vocab_size}"
        )
