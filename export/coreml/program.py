"""A function of a package that can be run, on whatever runs it: the interpreter, or Core ML itself (`mac_program`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from export.coreml.interpreter import Package
from export.coreml.names import feature_names
from export.target import Run
from models import manifest as mf


class Program(Protocol):
    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Inputs by Core ML's names → outputs by Core ML's names."""

    def placement(self) -> dict[str, int]:
        """Operations by the device they are meant to run on; empty where that is not known."""


class InterpretedProgram:
    def __init__(self, path: Path, function: str) -> None:
        self._package, self._function = Package(path), function

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return self._package.run(self._function, inputs)

    def placement(self) -> dict[str, int]:
        return {}


def run_of(program: Program, listed: mf.Program) -> Run:
    """`program` as the manifest's entry `listed` takes and gives tensors."""
    names, outputs = feature_names(listed.inputs), feature_names(listed.outputs)

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        results = program.run({name: _as_fed(tensor) for name, tensor in zip(names, inputs, strict=True)})
        return [results[name] for name in outputs]

    return run


def _as_fed(tensor: Tensor) -> Tensor:
    """As the core hands it to Core ML, which has no 64-bit integers."""
    return tensor.int() if tensor.dtype == torch.int64 else tensor
