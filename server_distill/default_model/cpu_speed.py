"""What makes a small UNet train fast on a CPU: attention in its fastest form, and bf16 products where they pay.

Whether bf16 pays differs from processor to processor, even among those that have it, so it is measured when training
starts. Samples a second of one core, batch 32, forward, backward and AdamW of the default teacher: 37 in float32 and 28
in bf16 on one AVX512-BF16 processor, 23 and 44 on another; stock attention costs a tenth in float32 and half in bf16.
"""

from __future__ import annotations

import copy
import time

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor

from server_distill.training.precision import cpu_multiplies_bf16, has_gpu


class CpuAttention:
    """A diffusers attention processor for SD-1.x's attention: softmax(QKᵀ/√d)·V.

    Self-attention runs PyTorch's fused kernel in float32, which on a CPU is the faster one (its bf16 backward alone
    would take a third of a step); cross-attention, over a few tokens, two products and a softmax.
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
            raise ValueError("CpuAttention takes no attention mask")
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states

        def split(x: Tensor) -> Tensor:
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        query, key, value = (split(x) for x in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)))
        if encoder_hidden_states is None:
            with torch.autocast("cpu", enabled=False):
                out = F.scaled_dot_product_attention(query.float(), key.float(), value.float()).to(query.dtype)
        else:
            out = (query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)).softmax(-1) @ value
        return attn.to_out[0](out.transpose(1, 2).flatten(2))


def faster_precision(unet: UNet2DConditionModel, batch: int = 16) -> str:
    """`bf16` or `no`: in which a forward and backward pass of (a copy of) `unet` takes less time on this machine."""
    if has_gpu() or not cpu_multiplies_bf16():
        return "no"
    side, config = unet.config.sample_size, unet.config
    inputs = torch.zeros(batch, config.in_channels, side, side), torch.zeros(batch)
    hidden = torch.zeros(batch, 24, config.cross_attention_dim)
    seconds = {}
    for precision in ("no", "bf16"):
        trial = copy.deepcopy(unet)
        make_fast(trial, precision)
        for _ in range(3):  # the first pass also chooses kernels; the last one counts
            begun = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                output = trial(*inputs, hidden, return_dict=False)[0]
            output.float().sum().backward()
            seconds[precision] = time.perf_counter() - begun
    return min(seconds, key=seconds.__getitem__)


def make_fast(unet: UNet2DConditionModel, precision: str) -> None:
    """Put `unet`'s attention and weights' layout into their fast form, in place; for a GPU nothing is changed."""
    if has_gpu():
        return
    unet.set_attn_processor(CpuAttention())
    if precision == "bf16":
        unet.to(memory_format=torch.channels_last)
