"""What each method trains. New tokens' embeddings are always among it.

custom_diffusion     attn2's keys and values, with --freeze_model=crossattn its queries and output projection too
                     (Kumari et al. 2023, section 3.2)
textual_inversion    nothing else (Gal et al. 2022)
dreambooth           the whole UNet, with --train_text_encoder the text encoder too (Ruiz et al. 2023)
lora                 low-rank changes to attn2's keys and values (Hu et al. 2021)
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TypeVar

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import (
    Attention,
    CustomDiffusionAttnProcessor2_0,
    CustomDiffusionXFormersAttnProcessor,
)
from peft import LoraConfig
from torch import Tensor, nn
from transformers import CLIPTextModel

from models.adapter import PROJECTIONS
from models.kv_boundary import cross_attention_layers
from server_distill.personalization.new_tokens import TokenEmbeddings

ModuleT = TypeVar("ModuleT", bound=nn.Module)
METHODS = ("custom_diffusion", "textual_inversion", "dreambooth", "lora")
LORA_NAME = "default"


class Personalized(nn.Module):
    """Text encoder and UNet as one function, so that gradients of both are averaged over processes."""

    def __init__(self, unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder

    def forward(self, noisy: Tensor, timesteps: Tensor, ids: Tensor) -> Tensor:
        """x_t (B, 4, h, w), t (B,), token ids (B, n) → the UNet's output (B, 4, h, w)."""
        hidden = self.text_encoder(ids)[0]
        return self.unet(noisy, timesteps, hidden.to(noisy.dtype)).sample

    def rows(self) -> Tensor | None:
        """The new tokens' embeddings (k, d), float32, where there are some."""
        embeddings = self.text_encoder.get_input_embeddings()
        return embeddings.rows.detach().float().cpu() if isinstance(embeddings, TokenEmbeddings) else None

    def trained(self) -> int:
        """How many numbers are trained."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)


def make_custom_diffusion(unet: UNet2DConditionModel, train_q_out: bool, xformers: bool = False) -> None:
    """Put copies of attn2's own matrices into diffusers' processors, which train them.

    They let no gradient through the first token, the start of text: what all prompts share must not learn the subject.
    """
    processor = CustomDiffusionXFormersAttnProcessor if xformers else CustomDiffusionAttnProcessor2_0
    processors = {}
    for name in unet.attn_processors:
        layer = name.removesuffix(".processor")
        attention = unet.get_submodule(layer)
        assert isinstance(attention, Attention)
        if not layer.endswith(".attn2"):
            processors[name] = processor(train_kv=False, train_q_out=False)
            continue
        made = processor(
            train_kv=True,
            train_q_out=train_q_out,
            hidden_size=attention.to_k.out_features,
            cross_attention_dim=attention.to_k.in_features,
        )
        weights = {f"{p}_custom_diffusion.weight": attention.get_parameter(f"{p}.weight") for p in PROJECTIONS}
        if train_q_out:
            weights["to_q_custom_diffusion.weight"] = attention.to_q.weight
            weights["to_out_custom_diffusion.0.weight"] = attention.to_out[0].weight
            weights["to_out_custom_diffusion.0.bias"] = attention.to_out[0].bias
        made.load_state_dict(weights)
        processors[name] = made.requires_grad_(True)
    unet.set_attn_processor(processors)


def make_lora(unet: UNet2DConditionModel, rank: int, seed: int) -> None:
    """PEFT's layers around attn2.to_k and to_v; alpha = rank, so that the change is B·A."""
    targets = [f"{layer.name}.{projection}" for layer in cross_attention_layers(unet) for projection in PROJECTIONS]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=targets), LORA_NAME)


def make_trained(
    method: str,
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    *,
    freeze_model: str = "crossattn_kv",
    rank: int = 4,
    train_text_encoder: bool = False,
    xformers: bool = False,
    seed: int = 0,
    frozen_dtype: torch.dtype = torch.float32,
) -> Personalized:
    """`unet` and `text_encoder`, which are changed, with gradients for what `method` trains and nothing else.

    What is trained is float32; the rest becomes `frozen_dtype`.
    """
    unet.requires_grad_(False)
    for name, parameter in text_encoder.named_parameters():
        parameter.requires_grad_(train_text_encoder or name.endswith(".rows"))
    if xformers and importlib.util.find_spec("xformers") is None:
        print("xformers is not installed: PyTorch's own attention (SDPA) is used", file=sys.stderr)
        xformers = False
    if xformers:
        unet.enable_xformers_memory_efficient_attention()
    if method == "custom_diffusion":
        make_custom_diffusion(unet, freeze_model == "crossattn", xformers)
    elif method == "lora":
        make_lora(unet, rank, seed)
    elif method == "dreambooth":
        unet.requires_grad_(True)
    return cast_frozen(Personalized(unet, text_encoder), frozen_dtype)


def cast_frozen(module: ModuleT, dtype: torch.dtype) -> ModuleT:
    """What is trained becomes float32, the rest `dtype`."""
    for parameter in module.parameters():
        parameter.data = parameter.data.to(torch.float32 if parameter.requires_grad else dtype)
    return module


def adapter_tensors(unet: UNet2DConditionModel, lora: bool) -> dict[str, Tensor]:
    """Keys' and values' matrices as models/adapter.py names them, or LoRA's A and B. float32, on the CPU."""
    tensors = {}
    for layer in cross_attention_layers(unet):
        attention = unet.get_submodule(layer.name)
        for projection in PROJECTIONS:
            prefix = f"{layer.name}.{projection}"
            if lora:
                for part in ("lora_A", "lora_B"):
                    tensors[f"{prefix}.{part}.weight"] = unet.get_parameter(f"{prefix}.{part}.{LORA_NAME}.weight")
            else:
                tensors[f"{prefix}.weight"] = attention.get_parameter(f"processor.{projection}_custom_diffusion.weight")
    return {name: tensor.detach().float().cpu() for name, tensor in tensors.items()}


def custom_diffusion_tensors(unet: UNet2DConditionModel) -> dict[str, Tensor]:
    """All that the processors hold, by diffusers' names."""
    mark = "_custom_diffusion."
    state = {name: p for name, p in unet.named_parameters() if mark in name}
    return {name: tensor.detach().float().cpu() for name, tensor in state.items()}
