"""Converts a traced graph to an ML program (`.mlpackage`) whose inputs and outputs have the manifest's names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import GraphModule

from export.coreml.compress import compress
from export.coreml.lean_conversion import as_aten, lean_conversion
from export.coreml.names import feature_names
from export.coreml.quiet import coremltools as ct
from export.coreml.quiet import without_progress
from export.coreml.settings import CoremlSettings
from export.coreml.share_weights import SHARE_WEIGHTS
from export.target import Lowered


def convert(
    graph: GraphModule,
    example: Sequence[Tensor],
    inputs: Sequence[str],
    outputs: Sequence[str],
    precision: str,
    settings: CoremlSettings,
    path: Path,
) -> Lowered:
    """Write the program of `graph`, one function "main" that computes in `precision`, to the folder `path`.

    `inputs` and `outputs` are the manifest's names. Tensors at the boundary are float32, token ids int32.
    """
    model = _convert(graph, example, feature_names(outputs), precision, settings)
    model = compress(model, settings.weights)
    spec = model.get_spec()
    for feature, name in zip(spec.description.input, feature_names(inputs), strict=True):
        if feature.name != name:  # the exporter makes them lower case
            ct.utils.rename_feature(spec, feature.name, name, rename_inputs=True, rename_outputs=False)
    named = ct.models.MLModel(spec, weights_dir=model.weights_dir, skip_model_load=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    named.save(str(path))
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return Lowered(size, {"operations": _operations(model)}, {})


def _convert(
    graph: GraphModule, example: Sequence[Tensor], outputs: Sequence[str], precision: str, settings: CoremlSettings
) -> Any:
    contiguous = tuple(x.clone(memory_format=torch.contiguous_format) for x in example)
    target = {17: ct.target.iOS17, 18: ct.target.iOS18}[settings.ios]
    pipeline = ct.PassPipeline.DEFAULT
    pipeline.append_pass(SHARE_WEIGHTS)
    with torch.no_grad(), without_progress(), lean_conversion():
        return ct.convert(
            as_aten(torch.export.export(graph, contiguous, strict=False)),
            convert_to="mlprogram",
            minimum_deployment_target=target,
            compute_precision={"float16": ct.precision.FLOAT16, "float32": ct.precision.FLOAT32}[precision],
            outputs=[ct.TensorType(name=name, dtype=np.float32) for name in outputs],
            pass_pipeline=pipeline,
            skip_model_load=True,
        )


def _operations(model: Any) -> int:
    """Operations that compute: constants, and weights on their way to being used, aside."""
    kinds = [operation.op_type for operation in model._mil_program.functions["main"].operations]
    return sum(kind != "const" and not kind.startswith("constexpr_") for kind in kinds)
