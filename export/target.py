"""What a bundle is made for: a phone's runtime, and how a method becomes one of its programs.

`export.executorch_target` and `export.coreml.target` are the two there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor
from torch.fx import GraphModule

from export.functional_ops import Forms
from export.graph_passes import Pass
from export.methods import Method
from models import manifest as mf

Run = Callable[[Sequence[Tensor]], list[Tensor]]
"""Inputs in the manifest's order → outputs in the manifest's order."""


@dataclass(frozen=True)
class Lowered:
    """What a program is made of: its size, its parts by kind, and the operations that the runtime's fast path lacks."""

    bytes: int
    parts: dict[str, int]
    left_over: dict[str, int]


@dataclass(frozen=True)
class Bounds:
    """What a program may differ by from the modules it came from (`export.parity.Parity`)."""

    relative_error: float
    cosine: float
    psnr: float


class Target(Protocol):
    """A runtime. Picklable: programs are made in processes of their own."""

    @property
    def backend(self) -> str:
        """As the manifest says it."""

    @property
    def train_precision(self) -> str:
        """As the manifest says it."""

    @property
    def forms(self) -> Forms: ...

    @property
    def passes(self) -> Sequence[Pass]: ...

    def write(
        self, graph: GraphModule, example: Sequence[Tensor], method: Method, folder: Path
    ) -> tuple[mf.Program, Lowered]:
        """Write the program of `graph`, traced from `method`, under the bundle's `folder`."""

    def put_together(self, programs: dict[str, mf.Program], folder: Path) -> dict[str, mf.Program]:
        """When all are written: where they lie in the end."""

    def load(self, folder: Path, program: mf.Program) -> Run:
        """The program in the bundle's `folder`, ready to run on this machine."""

    def bounds(self, method: str) -> Bounds: ...
