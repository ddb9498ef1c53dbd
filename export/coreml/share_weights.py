"""One constant for a weight and its transpose.

A linear layer multiplies by the transpose of its weight, and its gradient by the weight itself. coremltools writes both
as `linear`, which transposes, and so stores the weight twice. `matmul` does not transpose.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from export.coreml.quiet import AbstractGraphPass, Builder, block_context_manager, register_pass

SHARE_WEIGHTS = "likeness::share_transposed_weights"


@register_pass(namespace="likeness")
class share_transposed_weights(AbstractGraphPass):  # noqa: N801 (the name that pass pipelines know it by)
    """`linear` without bias by the transpose of a constant that is there becomes `matmul` by that constant."""

    def apply(self, prog: Any) -> None:
        for function in prog.functions.values():
            self._apply_to_function(function)

    @block_context_manager
    def _apply_to_function(self, block: Any) -> None:
        linears = [one for one in block.operations if one.op_type == "linear" and _is_constant(one.weight)]
        kept = {_key(one.weight.val): one.weight for one in linears if _has_bias(one)}
        # Without a bias in either direction, the first one stays as it is.
        for one in linears:
            if _has_bias(one):
                continue
            twin = kept.get(_key(one.weight.val.T))
            if twin is None:
                kept.setdefault(_key(one.weight.val), one.weight)
            else:
                _multiply_by(block, one, twin)


def _is_constant(weight: Any) -> bool:
    return weight.op is not None and weight.op.op_type == "const"


def _has_bias(linear: Any) -> bool:
    return linear.bias is not None and bool(np.any(linear.bias.val))


def _key(value: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    """Stands for the values: those of a large model need not be held twice."""
    return value.shape, hashlib.sha256(np.ascontiguousarray(value).data).digest()


def _multiply_by(block: Any, linear: Any, weight: Any) -> None:
    """`weight` is moved before `linear`, for it may be defined only later."""
    constant = Builder.const(val=weight.val, before_op=linear, name=f"{linear.name}_shared")
    product = Builder.matmul(x=linear.x, y=constant, before_op=linear, name=linear.outputs[0].name)
    block.replace_uses_of_var_after_op(anchor_op=linear, old_var=linear.outputs[0], new_var=product, force_replace=True)
    block.remove_ops([linear])
