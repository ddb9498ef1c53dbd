"""Runs a method in stages as `device_runtime/src/stages.cpp` does: each program is loaded, run and let go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from export.methods import Method
from export.target import Run
from models import manifest as mf


def run_stages(
    staged: mf.Method, method: Method, load: Callable[[mf.Program], Run], inputs: Sequence[Tensor]
) -> list[Tensor]:
    """`method.outputs` for `inputs` in the order of `method.inputs`; gradients of one tensor are summed."""
    return run_method(staged, method.inputs, method.outputs, load, inputs)


def run_method(
    method: mf.Method,
    names: Sequence[str],
    outputs: Sequence[str],
    load: Callable[[mf.Program], Run],
    inputs: Sequence[Tensor],
) -> list[Tensor]:
    """The tensors `outputs` of the manifest's `method` for `inputs`, which are the tensors `names`."""
    order = [stage.forward for stage in method.stages] + [stage.backward for stage in reversed(method.stages)]
    tensors = dict(zip(names, inputs, strict=True))
    for program in order:
        if program is None:
            continue
        results = load(program)([tensors[name] for name in program.inputs])
        for name, result in zip(program.outputs, results, strict=True):
            tensors[name] = tensors[name] + result if name in tensors else result
    return [tensors[name] for name in outputs]
