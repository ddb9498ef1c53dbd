"""Adapters: what personalization trains on `attn2.to_k` and `attn2.to_v`, as plain named tensors.

`full` holds the matrices themselves (Custom Diffusion, Kumari et al. 2023); `lora` holds low-rank changes to them
(Hu et al. 2021) under PEFT's tensor names, with alpha = rank, so that the change is B·A.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional

from models.kv_boundary import CrossAttentionLayer, cross_attention_layers

KINDS = ("full", "lora")
PROJECTIONS = ("to_k", "to_v")


@dataclass(frozen=True)
class AdapterSpec:
    """Kind, rank (None for `full`), the layers it changes and the text states' width d."""

    kind: str
    rank: int | None
    layers: tuple[CrossAttentionLayer, ...]
    hidden_size: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"adapter kind {self.kind!r} is none of {', '.join(KINDS)}")
        if (self.kind == "lora") != (self.rank is not None and self.rank > 0):
            raise ValueError(f"adapter kind {self.kind!r} with rank {self.rank}")

    def tensor_shapes(self) -> dict[str, tuple[int, int]]:
        """Name → shape, in the order in which the bundle's programs take them."""
        shapes = {}
        for layer in self.layers:
            for projection in PROJECTIONS:
                prefix = f"{layer.name}.{projection}"
                if self.rank is None:
                    shapes[f"{prefix}.weight"] = (layer.channels, self.hidden_size)
                else:
                    shapes[f"{prefix}.lora_A.weight"] = (self.rank, self.hidden_size)
                    shapes[f"{prefix}.lora_B.weight"] = (layer.channels, self.rank)
        return shapes


def adapter_spec(unet: UNet2DConditionModel, kind: str, rank: int | None = None) -> AdapterSpec:
    """The adapter of `kind` that fits `unet`."""
    return AdapterSpec(kind, rank, tuple(cross_attention_layers(unet)), unet.config.cross_attention_dim)


def base_weights(unet: UNet2DConditionModel) -> dict[str, Tensor]:
    """`<layer>.to_k.weight` and `<layer>.to_v.weight` of every layer, (C, d) each, in order."""
    return {
        f"{layer.name}.{projection}.weight": unet.get_parameter(f"{layer.name}.{projection}.weight").detach()
        for layer in cross_attention_layers(unet)
        for projection in PROJECTIONS
    }


def initial_tensors(spec: AdapterSpec, base: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """Values that change nothing: the base weights, or lora_A as in PEFT (Kaiming uniform, a = √5) with lora_B = 0."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in spec.tensor_shapes().items():
        if name.endswith(".lora_A.weight"):
            bound = math.sqrt(1 / shape[1])
            tensors[name] = (torch.rand(shape, generator=generator) * 2 - 1) * bound
        elif name.endswith(".lora_B.weight"):
            tensors[name] = torch.zeros(shape)
        else:
            tensors[name] = base[name].detach().float().clone()
    return tensors


def project_kv(
    spec: AdapterSpec, base: Mapping[str, Tensor], hidden: Tensor, tensors: Sequence[Tensor]
) -> list[Tensor]:
    """K_1, V_1, …, K_L, V_L, each (B, n, C_i), from `hidden` (B, n, d) and the adapter's tensors in order."""
    named = dict(zip(spec.tensor_shapes(), tensors, strict=True))
    out = []
    for layer in spec.layers:
        for projection in PROJECTIONS:
            prefix = f"{layer.name}.{projection}"
            if spec.rank is None:
                out.append(functional.linear(hidden, named[f"{prefix}.weight"]))
            else:
                low = functional.linear(hidden, named[f"{prefix}.lora_A.weight"])
                change = functional.linear(low, named[f"{prefix}.lora_B.weight"])
                out.append(functional.linear(hidden, base[f"{prefix}.weight"]) + change)
    return out
