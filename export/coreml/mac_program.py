"""A function of a package, run by Core ML on a Mac."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.coreml.interpreter import PackageError
from export.coreml.quiet import coremltools as ct


class MacProgram:
    """`export.coreml.program.Program` on Core ML. Raises PackageError where Core ML does not load it."""

    def __init__(self, path: Path, function: str, compute_units: str) -> None:
        self._units = ct.ComputeUnit[compute_units]
        self._function = function
        try:
            # The name is refused for a package of one function.
            name = None if function == "main" else function
            self._model = ct.models.MLModel(str(path), compute_units=self._units, function_name=name)
        except (RuntimeError, ValueError) as error:
            raise PackageError(f"{path.name}, {function}: Core ML does not load it: {error}") from error

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        results = self._model.predict({name: tensor.numpy() for name, tensor in inputs.items()})
        return {name: torch.from_numpy(np.asarray(result, dtype=np.float32)) for name, result in results.items()}

    def placement(self) -> dict[str, int]:
        """MLComputePlan's preferred device of every operation that has one."""
        from coremltools.models.compute_plan import MLComputePlan

        plan = MLComputePlan.load_from_path(self._model.get_compiled_model_path(), self._units)
        program = plan.model_structure.program
        if program is None or self._function not in program.functions:
            raise PackageError(f"the compute plan knows no function {self._function}")
        counts: dict[str, int] = {}
        for operation in program.functions[self._function].block.operations:
            usage: Any = plan.get_compute_device_usage_for_mlprogram_operation(operation)
            if usage is not None:
                device = type(usage.preferred_compute_device).__name__
                short = device.removeprefix("ML").removesuffix("ComputeDevice")
                counts[short] = counts.get(short, 0) + 1
        return counts
