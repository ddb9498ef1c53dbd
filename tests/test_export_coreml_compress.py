"""Weights that forward and backward share are compressed like all others, and mean what the library says they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from export.coreml.compress import compress
from export.coreml.convert import convert
from export.coreml.interpreter import Package
from export.coreml.quiet import Builder, without_progress
from export.coreml.quiet import coremltools as ct
from export.coreml.settings import CoremlSettings
from export.graph_passes import COREML_PASSES
from export.joint_graph import trace, vjp

torch.manual_seed(0)  # of random layers, 6 in 1,000 go a little beyond the bound of int8 below
CONV = nn.Conv2d(16, 16, 3, padding=1).requires_grad_(False)
LINEAR = nn.Linear(16, 48).requires_grad_(False)


def layers(x: Tensor) -> Tensor:
    return functional.linear(functional.conv2d(x, CONV.weight, CONV.bias, padding=1).mean((2, 3)), LINEAR.weight)


def gradients(x: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
    return layers(x), *vjp(layers, [x], [0], [grad])


def export(path: Path, weights: str, precision: str, ios: int) -> Package:
    example = [torch.randn(2, 16, 8, 8), torch.randn(2, 48)]
    graph = trace(gradients, example, COREML_PASSES)
    settings = CoremlSettings(ios=ios, weights=weights, train_precision=precision)
    convert(graph, example, ["x", "grad"], ["y", "dX"], precision, settings, path)
    return Package(path)


def weight_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("weight.bin"))


ELEMENTS = CONV.weight.numel() + LINEAR.weight.numel()
# Relative to the largest value: float16 2⁻¹¹ an operation; int8 half a step of 1/127 of a row's largest weight, 6 bits
# a few times more, both averaged over sums of 144.
CASES = [("float16", 2.0, 2e-3), ("int8", 1.0, 1e-2), ("palette6", 0.75, 6e-2)]


@pytest.mark.parametrize("ios", [17, 18])
@pytest.mark.parametrize("precision", ["float16", "float32"])
@pytest.mark.parametrize(("weights", "bytes_each", "bound"), CASES, ids=[case[0] for case in CASES])
def test_shared_weights_are_stored_once_and_small(
    weights: str, bytes_each: float, bound: float, precision: str, ios: int, tmp_path: Path
) -> None:
    package = export(tmp_path / "m.mlpackage", weights, precision, ios)
    # Scales, palettes and padding are a few hundred bytes.
    assert bytes_each * ELEMENTS <= weight_bytes(tmp_path / "m.mlpackage") < bytes_each * ELEMENTS + 2000
    inputs = {"x": torch.randn(2, 16, 8, 8), "grad": torch.randn(2, 48)}
    outputs = package.run("main", inputs)
    for actual, expected in zip((outputs["y"], outputs["dX"]), gradients(*inputs.values()), strict=True):
        assert actual.dtype == torch.float32
        assert (actual - expected).abs().max() < bound * expected.abs().max()


def dequantized(operation: Any) -> np.ndarray:
    """By the library's own inference: the oracle."""
    return np.asarray(operation.materialized_val_inference())


@pytest.mark.parametrize("weights", ["int8", "palette6"])
def test_what_a_compressed_weight_means(weights: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)

    with without_progress():

        @Builder.program(input_specs=[Builder.TensorSpec(shape=(3, 30))], opset_version=ct.target.iOS18)
        def program(x: Any) -> Any:
            return Builder.linear(x=x, weight=values, name="y")

        model = ct.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=ct.target.iOS18,
            compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
        )
    compressed = compress(model, weights)
    (operation,) = [
        one for one in compressed._mil_program.functions["main"].operations if one.op_type.startswith("constexpr_")
    ]
    compressed.save(str(tmp_path / "m.mlpackage"))
    (read,) = Package(tmp_path / "m.mlpackage").run("main", {"x": torch.eye(30)[:3]}).values()
    np.testing.assert_array_equal(read.numpy(), dequantized(operation)[:, :3].T)
    step = np.abs(values).max(1, keepdims=True) / 127
    if weights == "int8":
        assert (np.abs(dequantized(operation) - values) <= step * 0.501).all()
    else:
        assert len(np.unique(dequantized(operation))) == 64


def test_a_weight_beyond_float16_is_refused(tmp_path: Path) -> None:
    example = [torch.randn(2, 48)]
    large = torch.full((48, 48), 1e6)
    graph = trace(lambda x: functional.linear(x, large), example, COREML_PASSES)
    settings = CoremlSettings(train_precision="float32")
    with pytest.raises(ValueError, match="beyond float16's range"):
        convert(graph, example, ["x"], ["y"], "float32", settings, tmp_path / "m.mlpackage")
