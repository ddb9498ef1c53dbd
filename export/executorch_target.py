"""Bundles for ExecuTorch: a `.pte` a program, on XNNPACK."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from executorch.runtime import Runtime, Verification
from torch import Tensor
from torch.fx import GraphModule

from export.functional_ops import XNNPACK, Forms
from export.graph_passes import XNNPACK_PASSES, Pass
from export.lower import FUNCTION, lower
from export.methods import Method
from export.target import Bounds, Lowered, Run
from models import manifest as mf

BOUNDS = Bounds(relative_error=1e-3, cosine=0.9999, psnr=60.0)
"""float32 sums in another order give relative errors of 1e-6 to 1e-4 over so many layers."""


class LoadedProgram:
    """One function of a `.pte`, loaded; `run(inputs)` → copies of its outputs."""

    def __init__(self, path: Path, function: str = FUNCTION) -> None:
        program = Runtime.get().load_program(path, verification=Verification.Minimal)
        method = program.load_method(function)
        if method is None:
            raise ValueError(f"{path.name} has no method {function}")
        self._program, self._method = program, method

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        return [x.clone() for x in self._method.execute(list(inputs))]


class ExecutorchTarget:
    """`export.target.Target` for ExecuTorch with XNNPACK."""

    backend = "executorch-xnnpack"
    train_precision = "float32"
    forms: Forms = XNNPACK
    passes: Sequence[Pass] = XNNPACK_PASSES

    def write(
        self, graph: GraphModule, example: Sequence[Tensor], method: Method, folder: Path
    ) -> tuple[mf.Program, Lowered]:
        path = f"methods/{method.name}.pte"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        lowered = lower(graph, example, folder / path)
        return mf.Program(path, FUNCTION, method.inputs, method.outputs), lowered

    def put_together(self, programs: dict[str, mf.Program], folder: Path) -> dict[str, mf.Program]:
        return programs

    def load(self, folder: Path, program: mf.Program) -> Run:
        return LoadedProgram(folder / program.program, program.function).run

    def bounds(self, method: str) -> Bounds:
        return BOUNDS
