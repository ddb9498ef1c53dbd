"""Layers with their gradients as an ML program: what conversion leaves out changes no operation."""

from __future__ import annotations

import contextlib
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch.export import ExportedProgram

from export.coreml.convert import convert
from export.coreml.forms import forms
from export.coreml.interpreter import Package
from export.coreml.settings import CoremlSettings
from export.exportable import make_exportable
from export.graph_passes import COREML_PASSES
from export.joint_graph import trace
from models.kv_boundary import KVBoundaryUNet
from tests.test_export_lower import outputs, parts
from tests.test_models_kv_boundary import small_unet

Operations = list[tuple[str, list[tuple[int, ...]]]]


def operations(package: Package) -> Operations:
    """Kind and shapes of the results, in order; names aside."""
    (function,) = package._program.functions.values()
    return [(one.op_type, [tuple(var.shape) for var in one.outputs]) for one in function.operations]


@pytest.mark.slow
def test_what_is_left_out_of_conversion_changes_no_operation(tmp_path: Path) -> None:
    written = forms("original")
    unet = make_exportable(KVBoundaryUNet(small_unet(block_out_channels=(16, 32)), written.attend), written).unet
    some = {name: layer for name, layer in parts(unet) if name in ("resnet", "self-attention")}
    generator = torch.Generator().manual_seed(0)
    example = [torch.randn(shape, generator=generator) for shape in [(2, 16, 8, 8), (2, 64), (2,), (2, 64, 16)]]
    graph = trace(lambda *args: outputs(some, *args), example, COREML_PASSES)
    names = ["image", "temb", "t", "tokens"]
    results = ["resnet", "attention", "resnet_gradient", "attention_gradient"]
    arguments = (example, names, results, "float16", CoremlSettings(attention="original"))

    convert(graph, *arguments, tmp_path / "lean.mlpackage")

    def decomposed(program: ExportedProgram) -> ExportedProgram:
        return program.run_decompositions({})

    everything = {"as_aten": decomposed, "lean_conversion": contextlib.nullcontext}
    with mock.patch.multiple("export.coreml.convert", **everything):
        convert(graph, *arguments, tmp_path / "whole.mlpackage")

    lean, whole = Package(tmp_path / "lean.mlpackage"), Package(tmp_path / "whole.mlpackage")
    assert operations(lean) == operations(whole)
    given = dict(zip(names, example, strict=True))
    inputs = {name: given[name] for name in lean.signature("main")[0]}
    expected = whole.run("main", inputs)
    for name, actual in lean.run("main", inputs).items():
        assert torch.equal(actual, expected[name]), name
