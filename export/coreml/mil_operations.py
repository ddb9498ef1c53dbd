"""What MIL's operations compute, written from their documentation, in PyTorch (coremltools, "MIL Ops").

One function an operation type, whose parameters are the operation's inputs by name: an input that is not among them is
an error, as is a type that is not here (`OPERATIONS`). float16 values are computed in float32 and rounded once, which
is what an accelerator that accumulates in float32 does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

DTYPES = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "int32": torch.int32,
    "bool": torch.bool,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int16": torch.int16,
    "uint16": torch.int32,  # PyTorch has none to compute with
    "uint32": torch.int64,
}

Result: TypeAlias = Tensor | Sequence[Tensor]


def wide(x: Any) -> Any:
    """float16 as float32, everything else as it is."""
    return x.float() if isinstance(x, Tensor) and x.dtype == torch.float16 else x


def elementwise(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda x: function(wide(x)).to(x.dtype)


def binary(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def run(x: Tensor, y: Tensor) -> Tensor:
        if x.dtype != y.dtype:
            raise TypeError(f"operands are {x.dtype} and {y.dtype}")
        return function(wide(x), wide(y)).to(x.dtype)

    return run


def comparison(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda x, y: function(x, y)


def rsqrt(x: Tensor, epsilon: Tensor) -> Tensor:
    return torch.rsqrt(wide(x) + wide(epsilon)).to(x.dtype)


def inverse(x: Tensor, epsilon: Tensor) -> Tensor:
    return (1 / (wide(x) + wide(epsilon))).to(x.dtype)


def clip(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return x.clamp(alpha.item(), beta.item())


def gelu(x: Tensor, mode: str) -> Tensor:
    approximate = {"EXACT": "none", "TANH_APPROXIMATION": "tanh"}[mode]
    return functional.gelu(wide(x), approximate=approximate).to(x.dtype)


def softmax(x: Tensor, axis: Tensor) -> Tensor:
    return torch.softmax(wide(x), int(axis)).to(x.dtype)


def cast(x: Tensor, dtype: str) -> Tensor:
    return x.to(DTYPES[dtype])


def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(cond, a, b)


def reduce_mean(x: Tensor, axes: Tensor, keep_dims: Tensor) -> Tensor:
    return wide(x).mean(axes.tolist(), keepdim=bool(keep_dims)).to(x.dtype)


def reduce_sum(x: Tensor, axes: Tensor, keep_dims: Tensor) -> Tensor:
    return wide(x).sum(axes.tolist(), keepdim=bool(keep_dims)).to(x.dtype)


def layer_norm(
    x: Tensor, axes: Tensor, epsilon: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None
) -> Tensor:
    last = [axis % x.ndim for axis in axes.tolist()]
    if last != list(range(x.ndim - len(last), x.ndim)):
        raise NotImplementedError(f"layer_norm over axes {last} of {x.ndim}")
    sizes = [x.shape[axis] for axis in last]
    return functional.layer_norm(wide(x), sizes, wide(gamma), wide(beta), epsilon.item()).to(x.dtype)


def matmul(x: Tensor, y: Tensor, transpose_x: Tensor | bool = False, transpose_y: Tensor | bool = False) -> Tensor:
    left = wide(x).transpose(-1, -2) if transpose_x else wide(x)
    right = wide(y).transpose(-1, -2) if transpose_y else wide(y)
    return torch.matmul(left, right).to(x.dtype)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return functional.linear(wide(x), wide(weight), wide(bias)).to(x.dtype)


def conv(
    x: Tensor,
    weight: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    dilations: Tensor,
    groups: Tensor,
    bias: Tensor | None = None,
) -> Tensor:
    if pad_type == "custom":
        top, bottom, left, right = pad.tolist()
    elif pad_type == "valid":
        top = bottom = left = right = 0
    else:
        raise NotImplementedError(f"conv with padding {pad_type}")
    padded = functional.pad(wide(x), [left, right, top, bottom])
    out = functional.conv2d(padded, wide(weight), wide(bias), strides.tolist(), 0, dilations.tolist(), int(groups))
    return out.to(x.dtype)


def conv_transpose(
    x: Tensor,
    weight: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    dilations: Tensor,
    groups: Tensor,
    bias: Tensor | None = None,
    output_shape: Tensor | None = None,
) -> Tensor:
    """`pad` is cropped from the whole result; a given output shape must be what that leaves."""
    out = functional.conv_transpose2d(
        wide(x), wide(weight), wide(bias), strides.tolist(), 0, 0, int(groups), dilations.tolist()
    )
    if pad_type == "custom":
        top, bottom, left, right = pad.tolist()
        out = out[:, :, top : out.shape[2] - bottom, left : out.shape[3] - right]
    elif pad_type != "valid":
        raise NotImplementedError(f"conv_transpose with padding {pad_type}")
    if output_shape is not None and list(out.shape) != output_shape.tolist():
        raise ValueError(f"conv_transpose gives {list(out.shape)}, not {output_shape.tolist()}")
    return out.to(x.dtype)


def pad(x: Tensor, pad: Tensor, mode: str, constant_val: Tensor) -> Tensor:
    if mode != "constant":
        raise NotImplementedError(f"pad with mode {mode}")
    pairs = pad.reshape(-1, 2).tolist()
    backwards = [size for pair in reversed(pairs) for size in pair]
    return functional.pad(x, backwards, value=constant_val.item())


def crop(x: Tensor, crop_height: Tensor, crop_width: Tensor) -> Tensor:
    (top, bottom), (left, right) = crop_height.tolist(), crop_width.tolist()
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def reshape(x: Tensor, shape: Tensor) -> Tensor:
    if 0 in shape.tolist():
        raise NotImplementedError("reshape with a size that is taken from the input")
    return x.reshape(shape.tolist())


def transpose(x: Tensor, perm: Tensor) -> Tensor:
    return x.permute(perm.tolist())


def expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    ndim = x.ndim + len(axes)
    for axis in sorted(axis % ndim for axis in axes.tolist()):
        x = x.unsqueeze(axis)
    return x


def squeeze(x: Tensor, axes: Tensor) -> Tensor:
    return x.squeeze(tuple(axes.tolist()))


def concat(values: list[Tensor], axis: Tensor, interleave: Tensor | bool = False) -> Tensor:
    if interleave:
        raise NotImplementedError("interleaved concat")
    return torch.cat(values, int(axis))


def split(
    x: Tensor, axis: Tensor, split_sizes: Tensor | None = None, num_splits: Tensor | None = None
) -> Sequence[Tensor]:
    if split_sizes is not None:
        return torch.split(x, split_sizes.tolist(), int(axis))
    assert num_splits is not None
    return torch.tensor_split(x, int(num_splits), int(axis))


def tile(x: Tensor, reps: Tensor) -> Tensor:
    return x.repeat(reps.tolist())


def gather(x: Tensor, indices: Tensor, axis: Tensor, batch_dims: Tensor, validate_indices: Tensor) -> Tensor:
    """An index may count from the end; one that is outside is an error whatever `validate_indices` says."""
    if int(batch_dims) != 0:
        raise NotImplementedError("gather with batch dimensions")
    dim, flat = int(axis) % x.ndim, indices.reshape(-1).long()
    size = x.shape[dim]
    if flat.numel() and not (-size <= int(flat.min()) and int(flat.max()) < size):
        raise IndexError(f"gather: an index is outside −{size}…{size - 1}")
    out = x.index_select(dim, flat % size)
    return out.reshape(*x.shape[:dim], *indices.shape, *x.shape[dim + 1 :])


def slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    n = x.ndim
    steps = [1] * n if stride is None else stride.tolist()
    from_start, to_end, single = (
        [False] * n if mask is None else mask.tolist() for mask in (begin_mask, end_mask, squeeze_mask)
    )
    if any(step < 1 for step in steps):
        raise NotImplementedError("slice_by_index backwards")
    index: list[Any] = []
    for axis, (first, last) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
        if single[axis]:
            index.append(first)
        else:
            index.append(slice(None if from_start[axis] else first, None if to_end[axis] else last, steps[axis]))
    return x[tuple(index)]


def constexpr_blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor:
    """scale·(data − offset), scale and offset one for each block (iOS 18)."""

    def spread(x: Tensor) -> Tensor:
        for axis, size in enumerate(data.shape):
            x = x.repeat_interleave(size // x.shape[axis], axis)
        return x

    shifted = data.float() if offset is None else data.float() - spread(offset).float()
    return (shifted * spread(scale).float()).to(scale.dtype)


def constexpr_cast(source_val: Tensor, output_dtype: str) -> Tensor:
    return source_val.to(DTYPES[output_dtype])


def constexpr_affine_dequantize(quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: Tensor) -> Tensor:
    """scale·(data − zero point), one of each for the whole or for every entry of `axis` (iOS 16)."""
    sizes = [1] * quantized_data.ndim
    if scale.ndim > 0:
        sizes[int(axis)] = -1
    point = zero_point.reshape(sizes) if zero_point.ndim > 0 else zero_point
    return ((quantized_data.float() - point.float()) * scale.reshape(sizes).float()).to(scale.dtype)


def constexpr_lut_to_dense(
    indices: Tensor, lut: Tensor, shape: Tensor | None = None, vector_axis: Tensor | None = None
) -> Tensor:
    """lut[…, index, 0]: one table (or one a block of the leading axes) of scalar entries (iOS 18).

    With `shape` (iOS 16): `indices` are bytes that hold log₂(entries) bits each, the lowest first.
    """
    if shape is not None:
        return lut[_unpacked(indices, int(lut.shape[0]), shape.tolist())]
    if lut.shape[-1] != 1 or lut.ndim != indices.ndim + 2:
        raise NotImplementedError(f"a look-up table of shape {list(lut.shape)}")
    tables = lut[..., 0]
    for axis, size in enumerate(indices.shape):
        tables = tables.repeat_interleave(size // tables.shape[axis], axis)
    return torch.gather(tables, -1, indices.long().unsqueeze(-1)).squeeze(-1)


def _unpacked(packed: Tensor, entries: int, shape: Sequence[int]) -> Tensor:
    bits = entries.bit_length() - 1
    single = (packed.reshape(-1, 1).int() >> torch.arange(8)) & 1
    needed = single.reshape(-1)[: math.prod(shape) * bits].reshape(-1, bits)
    return (needed << torch.arange(bits)).sum(1).reshape(list(shape))


OPERATIONS: dict[str, Callable[..., Result]] = {
    "add": binary(torch.add),
    "sub": binary(torch.sub),
    "mul": binary(torch.mul),
    "real_div": binary(torch.div),
    "pow": binary(torch.pow),
    "equal": comparison(torch.eq),
    "less": comparison(torch.lt),
    "greater_equal": comparison(torch.ge),
    **{
        name: elementwise(function)
        for name, function in {
            "abs": torch.abs,
            "cos": torch.cos,
            "erf": torch.erf,
            "exp": torch.exp,
            "identity": torch.clone,
            "sigmoid": torch.sigmoid,
            "silu": functional.silu,
            "sin": torch.sin,
            "square": torch.square,
            "tanh": torch.tanh,
        }.items()
    },
    **{
        function.__name__: function
        for function in (
            *(cast, clip, concat, conv, conv_transpose, crop, expand_dims, gather, gelu, inverse, layer_norm, linear),
            *(matmul, pad, reduce_mean, reduce_sum, reshape, rsqrt, select, slice_by_index, softmax, split, squeeze),
            *(tile, transpose, constexpr_affine_dequantize, constexpr_blockwise_shift_scale, constexpr_cast),
            constexpr_lut_to_dense,
        )
    },
}
