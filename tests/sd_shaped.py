"""A Stable-Diffusion-1.x-shaped pipeline folder with random weights, in the default model's architecture.

python -m tests.sd_shaped --output DIR --student
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from tokenizers import pre_tokenizers
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

CAPTIONS = """a photo of a dog on grass, a photo of a cat in a bucket, a watercolor painting of a small red fox,
zoomed in photo of the toy on a wooden table, far away photo of the mug in the snow, an oil painting of a horse,
a drawing of a bird in the forest, a picture of an apple on a beach, the best photo of my teapot at night"""
VOCABULARY = 700
CLASSES = ("dog", "cat")


def byte_pair_vocabulary(text: str, size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """CLIP's layout: 256 letters, the same with `</w>`, merges, the two special tokens; `size` in all."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters)]
    words = [[*word[:-1], f"{word[-1]}</w>"] for word in text.lower().replace(",", "").split()]
    merges: list[tuple[str, str]] = []
    while len(vocabulary) < size - 2:
        counts: dict[tuple[str, str], int] = {}
        for word in words:
            for pair in itertools.pairwise(word):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            vocabulary += [f"<unused{i}>" for i in range(size - 2 - len(vocabulary))]
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        vocabulary.append("".join(best))
        for word in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = ["".join(best)]
                i += 1
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    return {token: i for i, token in enumerate(vocabulary)}, merges


def save_tokenizer(folder: Path, max_length: int) -> None:
    """vocab.json, merges.txt and tokenizer.json of a small CLIP byte-pair encoder."""
    vocabulary, merges = byte_pair_vocabulary(CAPTIONS, VOCABULARY)
    tokenizer = CLIPTokenizer(vocabulary, merges, model_max_length=max_length)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")


def enliven(module: nn.Module, seed: int) -> None:
    """Random weights that keep activations near unit size, and norms and biases that are not the identity."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("bias"):
                parameter.copy_(noise * 0.1)
            elif parameter.ndim == 1:
                parameter.copy_(1 + noise * 0.1)
            elif "embedding.weight" in name:
                parameter.copy_(noise)
            else:
                parameter.copy_(noise * parameter[0].numel() ** -0.5)


def make_autoencoder(**changes: object) -> AutoencoderKL:
    """The default model's autoencoder: ÷8, 4 channels, 128 pixels."""
    config = {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "block_out_channels": (16, 24, 48, 96),
        "layers_per_block": 1,
        "latent_channels": 4,
        "norm_num_groups": 8,
        "sample_size": 128,
        "mid_block_add_attention": False,
    }
    model = AutoencoderKL(**{**config, **changes})
    enliven(model, 1)
    return model.eval()


def make_text_encoder(**changes: object) -> CLIPTextModel:
    """The default model's text encoder."""
    config = {
        "vocab_size": VOCABULARY,
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 24,
        "hidden_act": "quick_gelu",
        "bos_token_id": VOCABULARY - 2,
        "eos_token_id": VOCABULARY - 1,
        "pad_token_id": VOCABULARY - 1,
    }
    model = CLIPTextModel(CLIPTextConfig(**{**config, **changes}))
    enliven(model, 2)
    return model.eval()


def make_unet(student: bool, **changes: object) -> UNet2DConditionModel:
    """The default teacher, or the student cut as BK-SDM-Small (Kim et al. 2023): one layer a block, no mid block."""
    config = {
        "sample_size": 16,
        "block_out_channels": (32, 64, 128, 256),
        "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
        "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
        "mid_block_type": None if student else "UNetMidBlock2DCrossAttn",
        "layers_per_block": 1 if student else 2,
        "cross_attention_dim": 128,
        "attention_head_dim": 4,
        "norm_num_groups": 16,
    }
    model = UNet2DConditionModel(**{**config, **changes})
    enliven(model, 3)
    return model.eval()


def save_prior_pack(path: Path, latent_size: int, a_class: int = 6) -> None:
    """Random latents and captions for two classes, as the teacher's prior pack has them."""
    latents = torch.randn(
        (a_class * len(CLASSES), 4, latent_size, latent_size), generator=torch.Generator().manual_seed(4)
    )
    places = ("on grass", "in the snow", "on a beach", "on a table", "in the forest", "at night")
    classes = {
        name: {
            "latents": [*range(i * a_class, (i + 1) * a_class)],
            "captions": [f"a photo of a {name} {places[j % len(places)]}" for j in range(a_class)],
        }
        for i, name in enumerate(CLASSES)
    }
    metadata = {"classes": json.dumps(classes), "source": "random numbers, for tests"}
    save_file({"latents": latents.half()}, str(path), metadata)


def save_pipeline(
    folder: Path,
    student: bool = True,
    prediction_type: str = "v_prediction",
    unet: UNet2DConditionModel | None = None,
    vae: AutoencoderKL | None = None,
    text_encoder: CLIPTextModel | None = None,
) -> Path:
    """Write a whole pipeline folder with `recommended.json` and `prior_pack.safetensors`; returns `folder`."""
    unet = unet or make_unet(student)
    text_encoder = text_encoder or make_text_encoder()
    unet.save_pretrained(folder / "unet")
    (vae or make_autoencoder()).save_pretrained(folder / "vae")
    text_encoder.save_pretrained(folder / "text_encoder")
    save_tokenizer(folder / "tokenizer", text_encoder.config.max_position_embeddings)
    DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction_type
    ).save_pretrained(folder / "scheduler")
    parts = {
        "vae": ("diffusers", "AutoencoderKL"),
        "text_encoder": ("transformers", "CLIPTextModel"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "unet": ("diffusers", "UNet2DConditionModel"),
        "scheduler": ("diffusers", "DDPMScheduler"),
        "safety_checker": (None, None),
        "feature_extractor": (None, None),
    }
    index = {"_class_name": "StableDiffusionPipeline", "requires_safety_checker": False, **parts}
    (folder / "model_index.json").write_text(json.dumps(index, indent=1))
    recommended = {
        "training": {"steps": 250, "learning_rate": 1e-3},
        "sampling": {"steps": 20, "guidance_scale": 5.0, "sampler": "dpmsolver++"},
    }
    (folder / "recommended.json").write_text(json.dumps(recommended, indent=1))
    save_prior_pack(folder / "prior_pack.safetensors", unet.config.sample_size)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--student", action="store_true")
    parser.add_argument("--prediction-type", choices=("epsilon", "v_prediction"), default="v_prediction")
    args = parser.parse_args()
    save_pipeline(args.output, args.student, args.prediction_type)


if __name__ == "__main__":
    main()
