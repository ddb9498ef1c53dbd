"""Bundles for Core ML: functions of `.mlpackage`s, checked by the interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from torch.fx import GraphModule

from export.coreml.bounds import bounds
from export.coreml.convert import convert
from export.coreml.forms import forms
from export.coreml.packages import merge
from export.coreml.program import InterpretedProgram, run_of
from export.coreml.settings import CoremlSettings
from export.functional_ops import Forms
from export.graph_passes import COREML_PASSES, Pass
from export.methods import Method
from export.target import Bounds, Lowered, Run
from models import manifest as mf


@dataclass(frozen=True)
class CoremlTarget:
    """`export.target.Target` for Core ML."""

    settings: CoremlSettings
    backend = "coreml"
    passes: Sequence[Pass] = COREML_PASSES

    @property
    def train_precision(self) -> str:
        return self.settings.train_precision

    @property
    def forms(self) -> Forms:
        return forms(self.settings.attention)

    def write(
        self, graph: GraphModule, example: Sequence[Tensor], method: Method, folder: Path
    ) -> tuple[mf.Program, Lowered]:
        path = f"methods/{method.name}.mlpackage"
        precision = self.settings.precision_of(method.name)
        lowered = convert(graph, example, method.inputs, method.outputs, precision, self.settings, folder / path)
        return mf.Program(path, "main", method.inputs, method.outputs), lowered

    def put_together(self, programs: dict[str, mf.Program], folder: Path) -> dict[str, mf.Program]:
        return merge(programs, folder) if self.settings.ios >= 18 else programs

    def load(self, folder: Path, program: mf.Program) -> Run:
        return run_of(InterpretedProgram(folder / program.program, program.function), program)

    def bounds(self, method: str) -> Bounds:
        return bounds(self.settings.weights, method)
