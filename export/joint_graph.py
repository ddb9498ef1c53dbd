"""Traces a function, with whatever `torch.autograd.grad` it calls, into one flat graph of plain inference operations.

`make_fx` records the backward pass like any other code; the decompositions and passes below bring the result into the
operations the target takes: XNNPACK's, so that few delegates are left, or Core ML's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from export.graph_passes import XNNPACK_PASSES, Pass, check_outputs, clean_up

aten = torch.ops.aten


def convolution_backward(
    grad: Tensor,
    input: Tensor,
    weight: Tensor,
    bias_sizes: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    output_mask: Sequence[bool],
) -> tuple[Tensor, None, None]:
    """Gradient of a frozen convolution's input: the transposed convolution with its weight, and the other way round."""
    if output_mask[1] or output_mask[2]:
        raise NotImplementedError("weights of a convolution are constants here")
    if transposed:
        out = aten.convolution(grad, weight, None, stride, padding, dilation, False, [0, 0], groups)
        return out, None, None
    missing = [
        input.shape[2 + i]
        - ((grad.shape[2 + i] - 1) * stride[i] - 2 * padding[i] + dilation[i] * (weight.shape[2 + i] - 1) + 1)
        for i in (0, 1)
    ]
    out = aten.convolution(grad, weight, None, stride, padding, dilation, True, missing, groups)
    return out, None, None


def decompositions() -> dict[Any, Callable[..., Any]]:
    table = dict(core_aten_decompositions())
    table[aten.convolution_backward.default] = convolution_backward
    table.pop(aten.gelu.default, None)
    return table


def trace(
    function: Callable[..., Any], inputs: Sequence[Tensor], passes: Sequence[Pass] = XNNPACK_PASSES
) -> GraphModule:
    """`function(*inputs)` as a graph cleaned by `passes`. Its outputs are contiguous; one that is an input is a
    ValueError.
    """

    def separate(*args: Tensor) -> tuple[Tensor, ...]:
        out = function(*args)
        out = (out,) if isinstance(out, Tensor) else tuple(out)
        return tuple(x.contiguous() for x in out)

    with torch.no_grad():
        traced = make_fx(
            separate,
            decomposition_table=decompositions(),
            tracing_mode="fake",
            _allow_non_fake_inputs=True,
        )(*inputs)
    cleaned = clean_up(traced, passes)
    check_outputs(cleaned)
    return cleaned


def vjp(
    function: Callable[..., Any], inputs: Sequence[Tensor], wanted: Sequence[int], grads: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Gradients of Σ grads·function(*inputs) by the `wanted` inputs, traceable."""
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_(i in wanted) for i, x in enumerate(inputs)]
        out = function(*leaves)
        out = (out,) if isinstance(out, Tensor) else tuple(out)
        return torch.autograd.grad(out, [leaves[i] for i in wanted], list(grads))
