"""Stores a program's weights in fewer bits: float16, 8-bit integers with a scale an output channel, or 6-bit palettes.

coremltools chooses the axis of the scales by the operation that reads a weight. One that forward and backward share is
read by a convolution and by its transposed one (or by `linear` and `matmul`), whose axes differ, and coremltools leaves
it as it was, without an error. Scales belong to the stored numbers, not to whoever reads them: here they go along the
first axis.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np

from export.coreml.palette import palette
from export.coreml.quiet import (
    AbstractGraphPass,
    Builder,
    apply_graph_pass,
    block_context_manager,
    optimize,
    optimize_utils,
    without_progress,
)

MIN_ELEMENTS = 512
"""Smaller weights are left alone: a scale each would not make them smaller."""

FIRST_AXIS = mock.patch.object(optimize_utils, "select_input_output_channel_axis", lambda weight: (1, 0))
"""Inside, (input axis, output axis) of every weight, whatever reads it."""


def compress(model: Any, weights: str) -> Any:
    """`model` with its weights as `weights` (`CoremlSettings.weights`). Raises ValueError where one stayed larger."""
    with without_progress(), FIRST_AXIS:
        if weights == "int8":
            model = optimize.linear_quantize_weights(model, _for_weights(model, INT8))
        elif weights == "palette6":
            model = optimize.palettize_weights(model, _for_weights(model, PALETTE))
        elif any(constant.outputs[0].val.dtype == np.float32 for constant in _weights(model)):
            model = apply_graph_pass(model, StoreAsFloat16())
    if weights != "float16":
        left = _uncompressed(model)
        if left:
            raise ValueError(f"weights that were not compressed: {', '.join(left)}")
    return model


def _weights(model: Any) -> list[Any]:
    """Constants that are worth compressing: matrices and kernels, not biases and shapes."""
    return [
        operation
        for function in model._mil_program.functions.values()
        for operation in function.operations
        if operation.op_type == "const" and is_weight(operation)
    ]


def is_weight(constant: Any) -> bool:
    value = constant.outputs[0].val
    return (
        isinstance(value, np.ndarray)
        and value.dtype in (np.float16, np.float32)
        and value.ndim >= 2
        and value.size > MIN_ELEMENTS
    )


INT8 = optimize.OpLinearQuantizerConfig(
    mode="linear_symmetric", granularity="per_channel", weight_threshold=MIN_ELEMENTS
)
PALETTE = optimize.OpPalettizerConfig(mode="custom", lut_function=palette, weight_threshold=MIN_ELEMENTS)


def _for_weights(model: Any, config: Any) -> Any:
    return optimize.OptimizationConfig(op_name_configs={weight.name: config for weight in _weights(model)})


class StoreAsFloat16(AbstractGraphPass):
    """float32 weights of a program that computes in float32 are stored as float16 and widened as they are loaded."""

    def apply(self, prog: Any) -> None:
        for function in prog.functions.values():
            self._apply_to_function(function)

    @block_context_manager
    def _apply_to_function(self, block: Any) -> None:
        for operation in list(block.operations):
            if operation.op_type != "const" or not is_weight(operation):
                continue
            weight = operation.outputs[0]
            if weight.val.dtype != np.float32:
                continue
            narrow = weight.val.astype(np.float16)
            if not np.isfinite(narrow).all():
                raise ValueError(f"weight {weight.name} has values beyond float16's range")
            wide = Builder.constexpr_cast(source_val=narrow, output_dtype="fp32", before_op=operation, name=weight.name)
            block.replace_uses_of_var_after_op(anchor_op=operation, old_var=weight, new_var=wide, force_replace=True)
            block.remove_ops([operation])


def _uncompressed(model: Any) -> list[str]:
    """Weights that are still read as they are, or through a cast only."""
    return [constant.name for constant in _weights(model) if _read_as_it_is(constant)]


def _read_as_it_is(constant: Any) -> bool:
    readers = constant.outputs[0].child_ops
    return any(not reader.op_type.startswith("constexpr_") or reader.op_type == "constexpr_cast" for reader in readers)
