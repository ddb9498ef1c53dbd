"""How the layers are written for Core ML: where it differs from XNNPACK (`export.functional_ops`).

Core ML has an error function, so the exact GELU's derivative is written with it: XNNPACK's form divides by 1e-20, which
float16 does not have; nor has it the squares that a group normalization takes of large values. It has means, so that a
layer normalization is recognized as one. Attention comes in two forms.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from export import functional_ops as ops

MASKED = -1e4
"""In place of `models.attention.MASKED`, which float16 does not have: exp of it is 0 in float32 already."""

LEAST_SIZE = 1e-2
"""Added to what values are divided by before they are squared: ε over its square stays in float16's range."""

QUERY_CHUNK = 512
"""Query rows whose scores `split_einsum` has at a time, as in Apple's SPLIT_EINSUM_V2 (ml-stable-diffusion)."""


def row_mean(x: Tensor) -> Tensor:
    """(…,C) → (…,1)."""
    return x.mean(-1, keepdim=True)


def group_deviation(centred: Tensor, mean: ops.Elementwise, eps: float) -> Tensor:
    """1/√(variance + ε) by way of the mean magnitude: squares of values beyond 255 are more than float16 has."""
    size = mean(centred.abs()) + LEAST_SIZE
    scaled = centred / size
    return torch.rsqrt(mean(scaled * scaled) + eps / size / size) / size


def gelu_derivative(x: Tensor) -> Tensor:
    """d/dx of the exact GELU: Φ(x) + x·φ(x)."""
    cumulative = torch.erf(x * math.sqrt(0.5)) * 0.5 + 0.5
    density = torch.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
    return cumulative + x * density


def _image(x: Tensor) -> Tensor:
    """(B,S,C) → (B,C,1,S): the layout of convolutions, in which the Neural Engine keeps tensors."""
    return x.transpose(1, 2).unsqueeze(2)


def _rows(x: Tensor) -> Tensor:
    """(B,C,1,S) → (B,S,C)."""
    # Contiguous: a product of a transposed tensor would be traced with its weight repeated for every row of the batch.
    return x.squeeze(2).transpose(1, 2).contiguous()


def _query_chunks(length: int) -> list[slice]:
    if length <= QUERY_CHUNK:
        return [slice(None)]
    return [slice(i, i + QUERY_CHUNK) for i in range(0, length, QUERY_CHUNK)]


class SplitEinsumAttention(torch.autograd.Function):
    """softmax(QKᵀ·scale + mask)·V head by head, for query (B,C,1,S), key and value (B,C,1,T), mask (S,T) or None.

    Apple's "Deploying Transformers on the Apple Neural Engine" (2022): heads are apart, so that no tensor is too large
    for its caches; channels stay at the second axis; scores are (B,T,1,S). The backward pass is written the same way.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, heads: int, scale: float, mask: Tensor | None
    ) -> Tensor:
        query = query * scale
        out = [
            SplitEinsumAttention.head(q, k, v, mask)
            for q, k, v in zip(query.chunk(heads, 1), key.chunk(heads, 1), value.chunk(heads, 1), strict=True)
        ]
        joined = torch.cat(out, 1)
        ctx.heads, ctx.scale, ctx.mask = heads, scale, mask
        ctx.save_for_backward(query, key, value, joined)
        return joined

    @staticmethod
    def probabilities(query: Tensor, key: Tensor, mask: Tensor | None, rows: slice) -> Tensor:
        """(B,T,1,S'): for each query row the weights of the T keys."""
        scores = torch.einsum("bchq,bkhc->bkhq", query[..., rows], key.transpose(1, 3))
        if mask is not None:
            scores = scores + mask[rows].t().unsqueeze(1)
        return torch.softmax(scores, 1)

    @staticmethod
    def head(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        parts = []
        for rows in _query_chunks(query.shape[-1]):
            weights = SplitEinsumAttention.probabilities(query, key, mask, rows)
            parts.append(torch.einsum("bkhq,bchk->bchq", weights, value))
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0]

    @staticmethod
    def head_gradients(
        query: Tensor, key: Tensor, value: Tensor, out: Tensor, grad: Tensor, scale: float, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities are computed again; Σ_t p·dp equals Σ_d grad·out (Dao et al. 2022, appendix B.2)."""
        level = (grad * out).sum(1, keepdim=True)
        d_queries: list[Tensor] = []
        d_key: Tensor | None = None
        d_value: Tensor | None = None
        for rows in _query_chunks(query.shape[-1]):
            weights = SplitEinsumAttention.probabilities(query, key, mask, rows)
            part = grad[..., rows]
            value_part = torch.einsum("bchq,bkhq->bchk", part, weights)
            d_scores = weights * (torch.einsum("bchq,bchk->bkhq", part, value) - level[..., rows])
            key_part = torch.einsum("bchq,bkhq->bchk", query[..., rows], d_scores)
            d_value = value_part if d_value is None else d_value + value_part
            d_key = key_part if d_key is None else d_key + key_part
            d_queries.append(torch.einsum("bkhq,bchk->bchq", d_scores, key) * scale)
        assert d_key is not None and d_value is not None
        return torch.cat(d_queries, -1) if len(d_queries) > 1 else d_queries[0], d_key, d_value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        split = (x.chunk(ctx.heads, 1) for x in (*ctx.saved_tensors, grad))
        by_head = [
            SplitEinsumAttention.head_gradients(query, key, value, out, d_out, ctx.scale, ctx.mask)
            for query, key, value, out, d_out in zip(*split, strict=True)
        ]
        d_query, d_key, d_value = (torch.cat(some, 1) for some in zip(*by_head, strict=True))
        return d_query, d_key, d_value, None, None, None


def _in_range(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask.clamp(min=MASKED)


def attend_original(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """`models.attention.Attend`, all heads in one product."""
    return ops.attend(query, key, value, heads, _in_range(mask))


def attend_split_einsum(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """`models.attention.Attend` by means of `SplitEinsumAttention`."""
    scale, mask = (query.shape[-1] // heads) ** -0.5, _in_range(mask)
    out: Tensor = SplitEinsumAttention.apply(_image(query), _image(key), _image(value), heads, scale, mask)
    return _rows(out)


def forms(attention: str) -> ops.Forms:
    """The forms for Core ML with attention as `original` (all heads in one product) or `split_einsum`."""
    attend = {"original": attend_original, "split_einsum": attend_split_einsum}[attention]
    return ops.Forms(row_mean, group_deviation, gelu_derivative, attend)
