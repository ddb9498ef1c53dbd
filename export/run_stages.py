"""Runs a method in stages as `device_runtime/src/stages.cpp` does: each program is loaded, run and let go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from export.methods import Method
from export.parity import Run
from models import manifest as mf


def run_stages(
    staged: mf.Method, method: Method, load: Callable[[mf.Program], Run], inputs: Sequence[Tensor]
) -> list[Tensor]:
    """`method.outputs` for `inputs` in the order of `method.inputs`; gradients of one tensor are summed."""
    order = [stage.forward for stage in staged.stages] + [stage.backward for stage in reversed(staged.stages)]
    tensors = dict(zip(method.inputs, inputs, strict=True))
    for program in order:
        if program is None:
            continue
        results = load(program)([tensors[name] for name in program.inputs])
        for name, result in zip(program.outputs, results, strict=True):
            tensors[name] = tensors[name] + result if name in tensors else result
    return [tensors[name] for name in method.outputs]
