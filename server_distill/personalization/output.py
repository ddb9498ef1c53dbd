"""What a personalization leaves behind; each file appears whole or not at all.

adapter.safetensors                       the phone's format (models/adapter_file.py): keys and values, or LoRA
pytorch_custom_diffusion_weights.*        for diffusers' `unet.load_attn_procs(…, _pipeline=pipeline)`
pytorch_lora_weights.safetensors          for diffusers' `pipeline.load_lora_weights`
<new1>.safetensors                        a new token, for diffusers' `pipeline.load_textual_inversion`; one each
learned_embeds_0.safetensors              the same, by the name that convert_adapter reads
likeness.json                             for convert_adapter: base model, class, settings
model_index.json, unet/ …                 dreambooth: a whole pipeline
prior.json                                where the class images came from
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from torch import Tensor

from models.adapter_file import AdapterFile, write
from models.whole_files import whole_files
from server_distill.convert_adapter import CUSTOM_DIFFUSION, to_diffusers
from server_distill.personalization.new_tokens import merge
from server_distill.personalization.personalized_parameters import Personalized, custom_diffusion_tensors

ADAPTER, PRIOR, CARD = "adapter.safetensors", "prior.json", "README.md"


def write_tokens(folder: Path, tokens: Sequence[str], rows: Tensor | None, safe: bool) -> None:
    """Each token's row (d,) under the token's name."""
    for i, token in enumerate(tokens):
        assert rows is not None
        row = {token: rows[i].contiguous()}
        if safe:
            save_file(row, folder / f"{token}.safetensors", metadata={"format": "pt"})
        else:
            torch.save(row, folder / f"{token}.bin")
        save_file(row, folder / f"learned_embeds_{i}.safetensors")


def write_custom_diffusion(folder: Path, model: Personalized, safe: bool) -> None:
    """diffusers' own names; and, so that it can load the file, an empty entry for each self-attention."""
    weights: dict[str, Tensor] = custom_diffusion_tensors(model.unet)
    others = [name for name in model.unet.attn_processors if not name.endswith("attn2.processor")]
    if safe:
        # safetensors can't hold the empty dictionaries of diffusers' .bin; of a tensor it asks the length alone.
        empty = {name: torch.empty(0) for name in others}
        save_file({**weights, **empty}, folder / f"{CUSTOM_DIFFUSION}.safetensors", metadata={"format": "pt"})
    else:
        torch.save({**weights, **{name: {} for name in others}}, folder / f"{CUSTOM_DIFFUSION}.bin")


def write_adapter(
    output: Path, model: Personalized, adapter: AdapterFile | None, tokens: Sequence[str], method: str, safe: bool
) -> None:
    """Everything but dreambooth's. `adapter` is None for what no phone takes: --freeze_model=crossattn."""
    with whole_files(output) as folder:
        if adapter is not None and method != "textual_inversion":
            to_diffusers(adapter, folder)
        if method == "custom_diffusion":
            (folder / f"{CUSTOM_DIFFUSION}.bin").unlink(missing_ok=True)
            write_custom_diffusion(folder, model, safe)
        write_tokens(folder, tokens, model.rows(), safe)
        if adapter is not None:
            write(folder / ADAPTER, adapter)
        written = [path.name for path in folder.iterdir()]
    for name in written:
        # An earlier result in the other format must not be taken for this one.
        other = {".bin": ".safetensors", ".safetensors": ".bin"}.get(Path(name).suffix)
        if other is not None:
            (output / name).with_suffix(other).unlink(missing_ok=True)


def write_pipeline(output: Path, pipeline: StableDiffusionPipeline, safe: bool) -> None:
    """In float32, with the new tokens in the tokenizer's and the text encoder's vocabulary."""
    merge(pipeline.text_encoder)
    with whole_files(output, last="model_index.json") as folder:
        pipeline.to(dtype=torch.float32).save_pretrained(folder, safe_serialization=safe)


def write_json(output: Path, name: str, content: object) -> None:
    with whole_files(output) as folder:
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_card(
    output: Path, base_model: str, method: str, prompts: Sequence[str], training: Mapping[str, object]
) -> None:
    """README.md as the hub reads it."""
    tags = "".join(f"- {tag}\n" for tag in ("text-to-image", "diffusers", "stable-diffusion", method.replace("_", "-")))
    settings = "".join(f"- {name}: {value}\n" for name, value in training.items())
    text = (
        f"---\nbase_model: {base_model}\ntags:\n{tags}---\n\n# {output.resolve().name}\n\nLearned by {method} from "
        f"photos, on {base_model}. Prompts: {'; '.join(prompts)}\n\n{settings}"
    )
    with whole_files(output) as folder:
        (folder / CARD).write_text(text, encoding="utf-8")
