"""Runs a saved `.mlpackage` on any machine: reads program and weights from disk and executes it operation by operation.

It is strict where Core ML is: every result must have the shape and the type that the program declares, every input must
be given, with its own type, and an operation that `mil_operations` does not know ends the run. It says what the package
computes; how fast, and on which processor, only a Mac or a phone tells (`python -m export.coreml_check`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.coreml.mil_operations import DTYPES, OPERATIONS
from export.coreml.quiet import coremltools, load_program, types


class PackageError(ValueError):
    """The package is damaged, or is not what it says; the message names the operation or the input."""


class Package:
    """A saved package. `functions` → their names; `run(function, inputs)` → outputs by name."""

    def __init__(self, path: Path) -> None:
        try:
            model = coremltools.models.MLModel(str(path), skip_model_load=True)
            spec = model.get_spec()
            self._program = load_program(
                spec, specification_version=spec.specificationVersion, file_weights_dir=model.weights_dir
            )
        except Exception as error:  # whatever a damaged protobuf or weight file makes the library raise
            raise PackageError(f"{path.name} cannot be read: {error}") from error

    @property
    def functions(self) -> list[str]:
        return list(self._program.functions)

    def _function(self, name: str) -> Any:
        if name not in self._program.functions:
            raise PackageError(f"there is no function {name}, only {', '.join(self.functions)}")
        return self._program.functions[name]

    def signature(self, function: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Inputs and outputs by name, each (shape, torch dtype)."""
        program = self._function(function)
        inputs = {name: _declared(var) for name, var in program.inputs.items()}
        return inputs, {var.name: _declared(var) for var in program.outputs}

    def run(self, function: str, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Raises PackageError where the program contradicts itself or does not take these inputs."""
        program = self._function(function)
        if set(inputs) != set(program.inputs):
            raise PackageError(f"{function} takes {sorted(program.inputs)}, not {sorted(inputs)}")
        values: dict[str, Any] = {}
        for name, var in program.inputs.items():
            _check(f"input {name}", var, inputs[name])
            values[var.name] = inputs[name]
        operations = list(program.operations)
        done_with = _last_uses(operations, keep={var.name for var in program.outputs})
        with torch.no_grad():
            for index, operation in enumerate(operations):
                _execute(operation, values)
                for name in done_with.get(index, ()):
                    values.pop(name, None)
        return {var.name: values[var.name] for var in program.outputs}


def _declared(var: Any) -> tuple[tuple[int, ...], torch.dtype]:
    name = types.builtin_to_string(var.dtype)
    if name.startswith("uint") and name not in DTYPES:
        name = "uint8"  # indices of fewer bits lie unpacked
    return tuple(var.shape), DTYPES[name]


def _last_uses(operations: list[Any], keep: set[str]) -> dict[int, list[str]]:
    """Which values nothing needs after an operation, by the operation's place: a large UNet's would fill the memory."""
    last: dict[str, int] = {}
    for index, operation in enumerate(operations):
        for var in operation.outputs:
            last[var.name] = index
        for given in operation.inputs.values():
            for var in given if isinstance(given, list | tuple) else [given]:
                if var is not None:
                    last[var.name] = index
    done: dict[int, list[str]] = {}
    for name, index in last.items():
        if name not in keep:
            done.setdefault(index, []).append(name)
    return done


def _check(what: str, var: Any, value: Tensor) -> None:
    shape, dtype = _declared(var)
    if tuple(value.shape) != shape or value.dtype != dtype:
        raise PackageError(f"{what} is {tuple(value.shape)} {value.dtype}, the program says {shape} {dtype}")


def _constant(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "US":
        return str(array)
    if array.dtype in (np.uint16, np.uint32):
        array = array.astype(np.int32 if array.dtype == np.uint16 else np.int64)
    return torch.from_numpy(np.array(array, order="C"))


def _execute(operation: Any, values: dict[str, Any]) -> None:
    if operation.op_type == "const":
        values[operation.outputs[0].name] = _constant(operation.outputs[0].val)
        return
    if operation.op_type not in OPERATIONS:
        raise PackageError(f"operation {operation.op_type} is not known here ({operation.name})")

    def given(var: Any) -> Any:
        if isinstance(var, list | tuple):
            return [given(one) for one in var]
        return values[var.name] if var.name in values else _constant(var.val)

    arguments = {name: given(var) for name, var in operation.inputs.items() if var is not None}
    try:
        result = OPERATIONS[operation.op_type](**arguments)
    except (TypeError, ValueError, RuntimeError, NotImplementedError, LookupError) as error:
        raise PackageError(f"{operation.op_type} ({operation.name}): {error}") from error
    results = [result] if isinstance(result, Tensor) else list(result)
    for var, value in zip(operation.outputs, results, strict=True):
        _check(f"{operation.op_type} ({var.name})", var, value)
        values[var.name] = value
