"""Put an adapter into a diffusers pipeline: a Likeness file, or a folder of diffusers' or PEFT's.

A Likeness adapter, and a folder that convert_adapter wrote, name the model they were trained on, which is checked. A
folder of another tool's does not; diffusers' own loaders take it, and `base_checked` says so:

    pytorch_custom_diffusion_weights.{safetensors,bin}   `unet.load_attn_procs`
    pytorch_lora_weights.safetensors                     `pipeline.load_lora_weights`
    adapter_model.safetensors, adapter_config.json       `PeftModel.from_pretrained` on the UNet
    learned_embeds*.{safetensors,bin}, <new1>.bin        `pipeline.load_textual_inversion`, alone or beside the others
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from diffusers import StableDiffusionPipeline
from peft import PeftModel
from safetensors import SafetensorError

from models.adapter import PROJECTIONS, adapter_spec
from models.adapter_file import AdapterFile, AdapterFileError, read
from models.kv_boundary import UnsupportedModelError
from server_distill.convert_adapter import CUSTOM_DIFFUSION, DIFFUSERS_LORA, PEFT_LORA, REST, from_folder


@dataclass(frozen=True)
class Applied:
    """What the pipeline has learned: its new tokens, and the class word where the adapter names one."""

    tokens: list[str]
    class_name: str
    base_checked: bool


def apply_adapter(pipeline: StableDiffusionPipeline, path: Path, weights_sha256: str) -> Applied:
    """Change `pipeline` (float32) in place. `weights_sha256` is its own, before any adapter.

    Raises AdapterFileError: unreadable, of another model, of another shape, or of a token that the tokenizer has.
    """
    if path.is_dir() and not (path / REST).exists():
        return _apply_by_diffusers(pipeline, path)
    adapter = from_folder(path) if path.is_dir() else read(path)
    if adapter.base_weights_sha256 != weights_sha256:
        raise AdapterFileError(
            f"{path} was trained on {adapter.base_model} ({adapter.base_weights_sha256[:12]}…), this pipeline is "
            f"{weights_sha256[:12]}…: an adapter fits no other model than its own"
        )
    try:
        apply_file(pipeline, adapter)
    except AdapterFileError as error:
        raise AdapterFileError(f"{path}: {error}") from error
    return Applied(adapter.modifier_tokens, adapter.class_name, True)


@torch.no_grad()
def apply_file(pipeline: StableDiffusionPipeline, adapter: AdapterFile) -> None:
    """Replace `attn2.to_k` and `to_v` (full) or add B·A to them (lora), and add the tokens. Nothing is changed where
    AdapterFileError is raised; the base model is not checked.
    """
    try:
        spec = adapter_spec(pipeline.unet, adapter.kind, adapter.rank)
    except (ValueError, UnsupportedModelError) as error:
        raise AdapterFileError(str(error)) from error
    wanted = spec.tensor_shapes()
    shapes = {name: tuple(tensor.shape) for name, tensor in adapter.tensors.items()}
    for name in sorted(wanted.keys() | shapes.keys()):
        if wanted.get(name) != shapes.get(name):
            raise AdapterFileError(f"tensor {name} is {shapes.get(name)}, this UNet takes {wanted.get(name)}")
    _add_tokens(pipeline, adapter)
    for layer in spec.layers:
        for projection in PROJECTIONS:
            prefix = f"{layer.name}.{projection}"
            weight = pipeline.unet.get_parameter(f"{prefix}.weight")
            if adapter.kind == "full":
                weight.copy_(adapter.tensors[f"{prefix}.weight"])
            else:
                up, down = (adapter.tensors[f"{prefix}.lora_{part}.weight"].float() for part in "BA")
                weight.add_(up @ down)


def _add_tokens(pipeline: StableDiffusionPipeline, adapter: AdapterFile) -> None:
    if adapter.modifier_embeddings is None:
        return
    tokenizer, table = pipeline.tokenizer, pipeline.text_encoder.get_input_embeddings().weight
    if adapter.modifier_embeddings.shape[1] != table.shape[1]:
        width = adapter.modifier_embeddings.shape[1]
        raise AdapterFileError(f"its token embeddings are {width} wide, the text encoder's {table.shape[1]}")
    known = [token for token in adapter.modifier_tokens if token in tokenizer.get_vocab()]
    if known:
        raise AdapterFileError(f"the tokenizer has the token {known[0]} already")
    tokenizer.add_tokens(adapter.modifier_tokens)
    # Never fewer: some text encoders have more rows than their tokenizer has tokens.
    pipeline.text_encoder.resize_token_embeddings(max(len(tokenizer), len(table)), mean_resizing=False)
    rows = tokenizer.convert_tokens_to_ids(adapter.modifier_tokens)
    pipeline.text_encoder.get_input_embeddings().weight[rows] = adapter.modifier_embeddings.to(table.dtype)


def _apply_by_diffusers(pipeline: StableDiffusionPipeline, folder: Path) -> Applied:
    """For a folder that does not say what model it belongs to. Raises AdapterFileError."""
    before = set(pipeline.tokenizer.get_vocab())
    try:
        found = [_load_weights(pipeline, folder), _load_tokens(pipeline, folder)]
    except (ValueError, KeyError, RuntimeError, OSError, EOFError, SafetensorError, UnpicklingError) as error:
        raise AdapterFileError(f"{folder}: it does not fit this pipeline, or is damaged ({error})") from error
    if not any(found):
        raise AdapterFileError(f"{folder} holds no adapter: neither {CUSTOM_DIFFUSION}.* nor LoRA nor learned_embeds*")
    return Applied(sorted(set(pipeline.tokenizer.get_vocab()) - before), "", False)


def _load_weights(pipeline: StableDiffusionPipeline, folder: Path) -> bool:
    for name in (f"{CUSTOM_DIFFUSION}.safetensors", f"{CUSTOM_DIFFUSION}.bin"):
        if (folder / name).exists():
            # Without _pipeline diffusers 0.42 reads the file and sets nothing.
            pipeline.unet.load_attn_procs(str(folder), weight_name=name, _pipeline=pipeline, local_files_only=True)
            _check_processors(pipeline)
            return True
    if (folder / DIFFUSERS_LORA).exists():
        pipeline.load_lora_weights(str(folder), weight_name=DIFFUSERS_LORA, local_files_only=True)
        return True
    if (folder / PEFT_LORA).exists():
        pipeline.unet = PeftModel.from_pretrained(pipeline.unet, str(folder)).merge_and_unload()
        return True
    return False


def _check_processors(pipeline: StableDiffusionPipeline) -> None:
    """diffusers makes a processor of whatever shape the file has: say so now, not in the middle of a picture."""
    for name, processor in pipeline.unet.attn_processors.items():
        own = pipeline.unet.get_submodule(name.removesuffix(".processor")).to_k.weight.shape
        learned = getattr(processor, "to_k_custom_diffusion", None)
        if learned is not None and learned.weight.shape != own:
            raise AdapterFileError(f"{name} is {tuple(learned.weight.shape)}, this UNet takes {tuple(own)}")


def _load_tokens(pipeline: StableDiffusionPipeline, folder: Path) -> bool:
    paths = [path for pattern in ("learned_embeds*", "<*>.bin") for path in sorted(folder.glob(pattern))]
    for path in paths:
        pipeline.load_textual_inversion(str(folder), weight_name=path.name, local_files_only=True)
    return bool(paths)
