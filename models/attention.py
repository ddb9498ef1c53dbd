"""Multi-head attention on (batch, length, channels) tensors, as one replaceable function."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Attend = Callable[[Tensor, Tensor, Tensor, int, Tensor | None], Tensor]
"""(query (B,S,C), key (B,T,C), value (B,T,C), heads, additive mask (S,T) or None) → (B,S,C)."""

MASKED = -1e9
"""Added to a score that must not count: exp underflows to exactly 0, and no sum reaches infinity."""


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    """softmax(QKᵀ/√d + mask)·V per head, through PyTorch's fused kernel."""

    def split(x: Tensor) -> Tensor:
        batch, length, channels = x.shape
        return x.reshape(batch, length, heads, channels // heads).transpose(1, 2)

    out = functional.scaled_dot_product_attention(split(query), split(key), split(value), attn_mask=mask)
    return out.transpose(1, 2).reshape(query.shape)


def causal_mask(length: int) -> Tensor:
    """(length, length): 0 where a token may look (itself and before), `MASKED` elsewhere."""
    return torch.full((length, length), MASKED).triu(1)
