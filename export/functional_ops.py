"""The UNet's and encoders' operations in the form a phone's runtime runs fast, forward and backward.

Each is the same function as PyTorch's, up to rounding. Weights are frozen: only inputs get gradients. They are written
for XNNPACK; where Core ML wants another form, that is in `Forms`.
Means over channels or tokens are products with a constant, means over pixels average pools: both stay in the layout of
the convolutions around them, where a reshape would cost two transpositions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from models.attention import Attend

Elementwise = Callable[[Tensor], Tensor]
InverseDeviation = Callable[[Tensor, Elementwise, float], Tensor]
"""Centred values, how the mean is taken, ε → 1/√(variance + ε)."""

KEEP_PROBABILITIES_BYTES = 4 << 20
"""Attention probabilities up to this size are kept for the backward pass; larger ones are computed again."""

SCORES_BYTES = 16 << 20
"""Attention scores that exist at a time; more would be what decides a phone's memory (512 MB at 64×64 latents)."""

TINY = 1e-20


@dataclass(frozen=True)
class Forms:
    """What a target wants written in its own way; the functions are the same."""

    row_mean: Elementwise
    group_deviation: InverseDeviation
    gelu_derivative: Elementwise
    attend: Attend


def pixel_mean(x: Tensor) -> Tensor:
    """(N,C,H,W) → (N,C,1,1)."""
    return x.mean((-1, -2), keepdim=True)


def row_mean(x: Tensor) -> Tensor:
    """(…,C) → (…,1), as a product with a constant."""
    return functional.linear(x, torch.full((1, x.shape[-1]), 1.0 / x.shape[-1]))


def group_deviation(centred: Tensor, mean: Elementwise, eps: float) -> Tensor:
    """1/√(variance + ε), in the shape of what `mean` gives."""
    return torch.rsqrt(mean(centred * centred) + eps)


class GroupNorm(torch.autograd.Function):
    """(N,C,H,W), weight and bias (C,). Channel means first, then group means by two small 1×1 convolutions."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, deviation: InverseDeviation
    ) -> Tensor:
        channels = x.shape[1]
        member = torch.eye(groups).repeat_interleave(channels // groups, 1)
        to_groups = (member * (groups / channels)).reshape(groups, channels, 1, 1)
        to_channels = member.t().reshape(channels, groups, 1, 1)
        scale, shift = weight.reshape(1, -1, 1, 1), bias.reshape(1, -1, 1, 1)

        def group_mean(x: Tensor) -> Tensor:
            return functional.conv2d(functional.conv2d(pixel_mean(x), to_groups), to_channels)

        centred = x - group_mean(x)
        inverse = deviation(centred, group_mean, eps)
        ctx.save_for_backward(centred, inverse, scale, to_groups, to_channels)
        return centred * (inverse * scale) + shift

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        centred, inverse, scale, to_groups, to_channels = ctx.saved_tensors

        def group_mean(x: Tensor) -> Tensor:
            means = functional.conv2d(pixel_mean(x) * scale, to_groups)
            return functional.conv2d(means, to_channels)

        normal = centred * inverse  # float16 does not have the cube of `inverse` where values are large
        along = group_mean(grad * normal) * inverse
        level = group_mean(grad) * inverse
        return grad * (inverse * scale) - normal * along - level, None, None, None, None, None


class LayerNorm(torch.autograd.Function):
    """(…,C), weight and bias (C,), and how the mean of a row is taken."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, mean: Elementwise) -> Tensor:
        centred = x - mean(x)
        inverse = torch.rsqrt(mean(centred * centred) + eps)
        normal = centred * inverse
        ctx.save_for_backward(normal, inverse, weight)
        ctx.mean = mean
        return normal * weight + bias

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        normal, inverse, weight = ctx.saved_tensors
        grad = grads[0] * weight
        out = (grad - ctx.mean(grad) - normal * ctx.mean(grad * normal)) * inverse
        return out, None, None, None, None


class ScaledSiLU(torch.autograd.Function):
    """x·σ(βx): SiLU for β = 1, CLIP's quick GELU for β = 1.702."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, beta: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.beta = beta
        return x * torch.sigmoid(x if beta == 1 else x * beta)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        scaled = x if ctx.beta == 1 else x * ctx.beta
        sigmoid = torch.sigmoid(scaled)
        return grads[0] * (sigmoid * (scaled - scaled * sigmoid + 1.0)), None


def gelu_derivative(x: Tensor) -> Tensor:
    """d/dx of the exact GELU x·Φ(x), which is Φ(x) + x·φ(x).

    There is no error function in XNNPACK, but its GELU is the exact one and Φ(a) = GELU(a)/a. Taken at
    a = |x| + 1e-20, the quotient is defined everywhere and accurate in both tails: Φ(x) = ½ + (x/a)·(Φ(a) − ½).
    """
    magnitude = x.abs() + TINY
    upper = functional.gelu(magnitude) / magnitude - 0.5
    cumulative = x / magnitude * upper + 0.5
    density = torch.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
    return cumulative + x * density


class GELU(torch.autograd.Function):
    """Exact (erf) GELU, and how its derivative is written."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, derivative: Elementwise) -> Tensor:
        ctx.save_for_backward(x)
        ctx.derivative = derivative
        return functional.gelu(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        return grads[0] * ctx.derivative(x), None


class GEGLU(torch.autograd.Function):
    """value·GELU(gate) (Shazeer 2020), with the exact GELU; how its derivative is written."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gate: Tensor, derivative: Elementwise) -> Tensor:
        ctx.save_for_backward(value, gate)
        ctx.derivative = derivative
        return value * functional.gelu(gate)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        value, gate = ctx.saved_tensors
        (grad,) = grads
        return grad * functional.gelu(gate), grad * value * ctx.derivative(gate), None


def _attention_blocks(heads: int, rows: int, columns: int) -> list[list[tuple[slice, slice]]]:
    """Lists, one a group of heads, of (heads, query rows) whose scores take at most `SCORES_BYTES` each."""
    per_head = rows * columns * 4
    together = max(1, min(heads, SCORES_BYTES // per_head))
    height = max(1, min(rows, SCORES_BYTES // (columns * 4)))
    # slice(None), not slice(0, heads): taking the whole then leaves no operation in the graph.
    head_slices = [slice(i, i + together) for i in range(0, heads, together)] if together < heads else [slice(None)]
    row_slices = [slice(i, i + height) for i in range(0, rows, height)] if height < rows else [slice(None)]
    return [[(some, part) for part in row_slices] for some in head_slices]


def _join(parts: list[Tensor], dim: int) -> Tensor:
    """`torch.cat`, four at a time: XNNPACK joins at most five."""
    while len(parts) > 1:
        parts = [torch.cat(parts[i : i + 4], dim) if i + 1 < len(parts) else parts[i] for i in range(0, len(parts), 4)]
    return parts[0]


class Attention(torch.autograd.Function):
    """softmax(QKᵀ·scale + mask)·V for query (BH,S,d), key and value (BH,T,d), mask (S,T) or None.

    Scores are computed in blocks of heads and query rows, so that no block's takes more than `SCORES_BYTES`.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float, mask: Tensor | None) -> Tensor:
        query = query * scale
        blocks = _attention_blocks(query.shape[0], query.shape[1], key.shape[1])
        kept, groups = [], []
        for group in blocks:
            parts = []
            for heads, rows in group:
                probabilities = Attention.probabilities(query, key, mask, heads, rows)
                parts.append(torch.bmm(probabilities, value[heads]))
                kept.append(probabilities)
            groups.append(_join(parts, 1))
        out = _join(groups, 0)
        if sum(p.numel() * 4 for p in kept) > KEEP_PROBABILITIES_BYTES:
            kept = []
        ctx.scale, ctx.mask, ctx.blocks = scale, mask, blocks
        ctx.save_for_backward(query, key, value, out, *kept)
        return out

    @staticmethod
    def probabilities(query: Tensor, key: Tensor, mask: Tensor | None, heads: slice, rows: slice) -> Tensor:
        scores = torch.bmm(query[heads, rows], key[heads].transpose(1, 2))
        return torch.softmax(scores if mask is None else scores + mask[rows], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, *kept = ctx.saved_tensors
        (grad,) = grads
        # Σ_t p·dp equals Σ_d grad·out (Dao et al. 2022, FlashAttention, appendix B.2): d terms instead of T.
        level = row_mean(grad * out) * float(grad.shape[-1])
        d_queries, d_keys, d_values = [], [], []
        for group in ctx.blocks:
            d_rows, d_key, d_value = [], None, None
            for heads, rows in group:
                probabilities = kept.pop(0) if kept else Attention.probabilities(query, key, ctx.mask, heads, rows)
                part = grad[heads, rows]
                value_part = torch.bmm(probabilities.transpose(1, 2), part)
                d_scores = probabilities * (torch.bmm(part, value[heads].transpose(1, 2)) - level[heads, rows])
                key_part = torch.bmm(d_scores.transpose(1, 2), query[heads, rows])
                d_value = value_part if d_value is None else d_value + value_part
                d_key = key_part if d_key is None else d_key + key_part
                d_rows.append(torch.bmm(d_scores, key[heads]) * ctx.scale)
            d_queries.append(_join(d_rows, 1))
            d_keys.append(d_key)
            d_values.append(d_value)
        return _join(d_queries, 0), _join(d_keys, 0), _join(d_values, 0), None, None


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """`models.attention.Attend` by means of `Attention`."""
    batch, length, channels = query.shape
    width = channels // heads

    def split(x: Tensor) -> Tensor:
        return x.reshape(batch, -1, heads, width).permute(0, 2, 1, 3).reshape(batch * heads, -1, width)

    out: Tensor = Attention.apply(split(query), split(key), split(value), width**-0.5, mask)
    return out.reshape(batch, heads, length, width).permute(0, 2, 1, 3).reshape(batch, length, channels)


def upsampled_kernel(weight: Tensor) -> Tensor:
    """Kernel (in, out, 4, 4) of the stride-2 transposed convolution that equals nearest ×2, then a 3×3 `weight`.

    A pixel of the small image reaches the large one through 2×2 equal copies, so the kernel is `weight`, flipped and
    summed over 2×2 shifts. Exact at the borders too, with padding 1 on either side; 2.25 times fewer products.
    """
    flipped = weight.flip(2, 3).transpose(0, 1)
    kernel = torch.zeros(*flipped.shape[:2], 4, 4, dtype=weight.dtype)
    for dy in (0, 1):
        for dx in (0, 1):
            kernel[:, :, dy : dy + 3, dx : dx + 3] += flipped
    return kernel


XNNPACK = Forms(row_mean, group_deviation, gelu_derivative, attend)
