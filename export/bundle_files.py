"""Writes a bundle's files that are no programs: tokenizer, adapters' initial values, prior pack."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from export.methods import Options, adapter_specs
from export.pipeline import Pipeline
from models import manifest as mf
from models.adapter import base_weights, initial_tensors
from models.manifest import BundleError
from models.strict_json import StrictJsonError, decode

PRIOR_FILE = "prior/prior.safetensors"
TOKENIZER_FILES = {"vocab": "tokenizer/vocab.json", "merges": "tokenizer/merges.txt"}
TOKEN_EMBEDDINGS = "tokenizer/token_embeddings.safetensors"


def write_tokenizer(pipeline: Pipeline, folder: Path) -> None:
    """CLIPTokenizer's two files, read from tokenizer.json where the pipeline has only that."""
    source = pipeline.folder / "tokenizer"
    (folder / "tokenizer").mkdir()
    vocab, merges = source / "vocab.json", source / "merges.txt"
    if vocab.exists() and merges.exists():
        shutil.copyfile(vocab, folder / TOKENIZER_FILES["vocab"])
        shutil.copyfile(merges, folder / TOKENIZER_FILES["merges"])
    else:
        model = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))["model"]
        text = json.dumps(model["vocab"], ensure_ascii=False)
        (folder / TOKENIZER_FILES["vocab"]).write_text(text, encoding="utf-8")
        pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
        lines = "\n".join(["#version: 0.2", *pairs]) + "\n"
        (folder / TOKENIZER_FILES["merges"]).write_text(lines, encoding="utf-8")
    table = pipeline.text_encoder.embeddings.token_embedding.weight.detach()
    save_file({"token_embeddings": table.contiguous()}, str(folder / TOKEN_EMBEDDINGS))


def write_adapters(pipeline: Pipeline, options: Options, folder: Path) -> dict[str, mf.Adapter]:
    (folder / "adapters").mkdir()
    base = base_weights(pipeline.unet)
    adapters = {}
    for spec in adapter_specs(pipeline, options):
        initial = f"adapters/{spec.kind}.safetensors"
        save_file(initial_tensors(spec, base), str(folder / initial))
        adapters[spec.kind] = mf.Adapter(
            f"project_kv.{spec.kind}",
            f"project_kv_vjp.{spec.kind}",
            spec.rank,
            initial,
            [mf.AdapterTensor(name, list(shape)) for name, shape in spec.tensor_shapes().items()],
        )
    return adapters


def write_prior(pipeline: Pipeline, pack: Path | None, folder: Path) -> mf.Prior:
    """The prior pack as float32, or a pack of no latents and no classes."""
    (folder / "prior").mkdir()
    channels, size = pipeline.vae.config.latent_channels, pipeline.latent_size
    latents, classes, source = torch.zeros((0, channels, size, size)), {}, ""
    if pack is not None:
        try:
            with safe_open(str(pack), "pt") as file:
                metadata = file.metadata() or {}
                latents = file.get_tensor("latents").float()
        except (SafetensorError, OSError) as error:
            raise BundleError(f"prior pack {pack}: {error}") from error
        try:
            classes = decode(dict[str, mf.PriorClass], json.loads(metadata.get("classes", "{}")))
        except (StrictJsonError, json.JSONDecodeError) as error:
            raise BundleError(f"prior pack {pack}: classes: {error}") from error
        source = metadata.get("source", "")
        if tuple(latents.shape[1:]) != (channels, size, size):
            raise BundleError(f"prior pack {pack}: latents {list(latents.shape)} do not fit this model")
        for name, entry in classes.items():
            if any(not 0 <= row < len(latents) for row in entry.latents):
                raise BundleError(f"prior pack {pack}: class {name!r} names a row it does not have")
    save_file({"latents": latents.contiguous()}, str(folder / PRIOR_FILE))
    return mf.Prior(PRIOR_FILE, source, classes)
