"""The interpreter computes what MIL's operations are documented to compute, and is strict where Core ML is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from export.coreml.interpreter import Package, PackageError
from export.coreml.mil_operations import OPERATIONS
from export.coreml.quiet import Builder, types, without_progress
from export.coreml.quiet import coremltools as ct


def save(path: Path, shapes: dict[str, tuple[tuple[int, ...], Any]], body: Callable[..., Any]) -> Package:
    """The package of a MIL function of inputs `shapes` (name → shape, type), written and read again."""
    specs = [Builder.TensorSpec(shape=shape, dtype=dtype) for shape, dtype in shapes.values()]
    with without_progress():
        # The builder names inputs for the function's parameters.
        names = ", ".join(shapes)
        function = eval(f"lambda {names}: body({names})", {"body": body})
        program = Builder.program(input_specs=specs, opset_version=ct.target.iOS18)(function)
        # Without passes: what is written is what is run.
        model = ct.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=ct.target.iOS18,
            compute_precision=ct.precision.FLOAT32,
            pass_pipeline=ct.PassPipeline.EMPTY,
            skip_model_load=True,
        )
        model.save(str(path))
    return Package(path)


def tensor(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


W = tensor(6, 4, 3, 3, seed=1).numpy()
ROWS = tensor(7, 5, seed=2).numpy()
IMAGE = (2, 4, 6, 6)

CASES: dict[str, tuple[tuple[int, ...], Callable[[Any], Any], Callable[[Tensor], Tensor]]] = {
    "conv": (
        IMAGE,
        lambda x: Builder.conv(x=x, weight=W, strides=[2, 2], pad_type="custom", pad=[1, 0, 2, 1]),
        lambda x: functional.conv2d(functional.pad(x, (2, 1, 1, 0)), torch.from_numpy(W), stride=2),
    ),
    "conv_transpose": (
        (2, 6, 4, 4),
        lambda x: Builder.conv_transpose(x=x, weight=W, strides=[2, 2], pad_type="custom", pad=[1, 1, 1, 1]),
        lambda x: functional.conv_transpose2d(x, torch.from_numpy(W), stride=2, padding=1),
    ),
    "linear": (
        (3, 5),
        lambda x: Builder.linear(x=x, weight=ROWS, bias=np.arange(7, dtype=np.float32)),
        lambda x: x @ torch.from_numpy(ROWS).t() + torch.arange(7.0),
    ),
    "matmul": (
        (2, 5, 3),
        lambda x: Builder.matmul(x=x, y=ROWS, transpose_x=True, transpose_y=True),
        lambda x: x.transpose(1, 2) @ torch.from_numpy(ROWS).t(),
    ),
    "layer_norm": (
        (3, 5),
        lambda x: Builder.layer_norm(x=x, axes=[-1], gamma=ROWS[0], beta=ROWS[1], epsilon=1e-3),
        lambda x: functional.layer_norm(x, [5], torch.from_numpy(ROWS[0]), torch.from_numpy(ROWS[1]), 1e-3),
    ),
    "softmax": ((2, 3, 4), lambda x: Builder.softmax(x=x, axis=1), lambda x: x.exp() / x.exp().sum(1, keepdim=True)),
    "gelu": (
        (50,),
        lambda x: Builder.gelu(x=x, mode="EXACT"),
        lambda x: x * 0.5 * (1 + torch.erf(x / 2**0.5)),
    ),
    "reduce_mean": (
        (2, 3, 4),
        lambda x: Builder.reduce_mean(x=x, axes=[0, 2], keep_dims=True),
        lambda x: x.mean((0, 2), True),
    ),
    "reduce_sum": ((2, 3, 4), lambda x: Builder.reduce_sum(x=x, axes=[1], keep_dims=False), lambda x: x.sum(1)),
    "slice_by_index": (
        (4, 6, 3),
        lambda x: Builder.slice_by_index(
            x=x,
            begin=[1, 0, 2],
            end=[0, 5, 0],
            stride=[1, 2, 1],
            end_mask=[True, False, False],
            squeeze_mask=[False, False, True],
        ),
        lambda x: x[1:, 0:5:2, 2],
    ),
    "pad": (
        (2, 3),
        lambda x: Builder.pad(x=x, pad=[1, 0, 0, 2], mode="constant", constant_val=7.0),
        lambda x: functional.pad(x, (0, 2, 1, 0), value=7.0),
    ),
    "crop": (IMAGE, lambda x: Builder.crop(x=x, crop_height=[1, 2], crop_width=[0, 3]), lambda x: x[..., 1:4, 0:3]),
    "concat": ((2, 3), lambda x: Builder.concat(values=[x, x], axis=1), lambda x: torch.cat([x, x], 1)),
    "expand_dims": ((2, 3), lambda x: Builder.expand_dims(x=x, axes=[0, -1]), lambda x: x[None, ..., None]),
    "squeeze": ((1, 2, 1), lambda x: Builder.squeeze(x=x, axes=[0, 2]), lambda x: x[0, :, 0]),
    "transpose": ((2, 3, 4), lambda x: Builder.transpose(x=x, perm=[2, 0, 1]), lambda x: x.permute(2, 0, 1)),
    "reshape": ((2, 3, 4), lambda x: Builder.reshape(x=x, shape=[2, -1]), lambda x: x.reshape(2, 12)),
    "split": ((2, 6), lambda x: Builder.split(x=x, split_sizes=[1, 3, 2], axis=1)[1], lambda x: x[:, 1:4]),
    "clip": ((20,), lambda x: Builder.clip(x=x, alpha=-0.5, beta=0.25), lambda x: x.clamp(-0.5, 0.25)),
    "rsqrt": ((20,), lambda x: Builder.rsqrt(x=Builder.square(x=x), epsilon=0.5), lambda x: (x * x + 0.5) ** -0.5),
    "select": (
        (20,),
        lambda x: Builder.select(cond=Builder.less(x=x, y=0.0), a=x, b=Builder.mul(x=x, y=2.0)),
        lambda x: torch.where(x < 0, x, 2 * x),
    ),
    "tile": ((2, 3), lambda x: Builder.tile(x=x, reps=[1, 2]), lambda x: x.repeat(1, 2)),
}


@pytest.mark.parametrize("name", CASES)
def test_an_operation_is_what_it_is_documented_to_be(name: str, tmp_path: Path) -> None:
    """float32 against another expression of the same function: rounding of a few sums."""
    shape, build, expected = CASES[name]
    package = save(tmp_path / "m.mlpackage", {"x": (shape, types.fp32)}, build)
    x = tensor(*shape)
    (actual,) = package.run("main", {"x": x}).values()
    torch.testing.assert_close(actual, expected(x), rtol=1e-5, atol=1e-5)


def test_gather_takes_indices_from_the_end_and_none_from_outside(tmp_path: Path) -> None:
    shapes = {"x": ((5, 3), types.fp32), "i": ((2, 2), types.int32)}
    package = save(tmp_path / "m.mlpackage", shapes, lambda x, i: Builder.gather(x=x, indices=i, axis=0))
    x = tensor(5, 3)
    (actual,) = package.run("main", {"x": x, "i": torch.tensor([[0, -1], [4, 2]], dtype=torch.int32)}).values()
    assert torch.equal(actual, x[torch.tensor([[0, 4], [4, 2]])])
    with pytest.raises(PackageError, match="index is outside"):
        package.run("main", {"x": x, "i": torch.full((2, 2), 5, dtype=torch.int32)})


def test_float16_is_rounded_once_an_operation() -> None:
    """1 + 2⁻¹⁰ is a float16; a product in float32 is rounded to it, and to even."""
    x = torch.tensor([1 + 2**-10, 2**-14, 60000.0], dtype=torch.float16)
    assert torch.equal(OPERATIONS["mul"](x, x), (x.double() * x.double()).half())
    assert OPERATIONS["mul"](x, x)[2] == torch.inf


def test_operands_of_two_types_are_refused() -> None:
    with pytest.raises(TypeError, match="operands"):
        OPERATIONS["add"](torch.ones(2), torch.ones(2, dtype=torch.float16))


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return save(
        tmp_path / "m.mlpackage", {"x": ((3, 5), types.fp32)}, lambda x: Builder.linear(x=x, weight=ROWS, name="out")
    )


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "takes"),
        ({"x": torch.ones(3, 5), "y": torch.ones(1)}, "takes"),
        ({"x": torch.ones(3, 4)}, "input x is"),
        ({"x": torch.ones(3, 5, dtype=torch.float16)}, "input x is"),
    ],
    ids=["none", "one too many", "shape", "type"],
)
def test_other_inputs_are_refused(package: Package, inputs: dict[str, Tensor], message: str) -> None:
    with pytest.raises(PackageError, match=message):
        package.run("main", inputs)


def test_a_function_that_is_not_there_is_named(package: Package) -> None:
    with pytest.raises(PackageError, match="no function train_step, only main"):
        package.run("train_step", {"x": torch.ones(3, 5)})


def test_an_unknown_operation_ends_the_run(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(OPERATIONS, "linear")
    with pytest.raises(PackageError, match="operation linear is not known"):
        package.run("main", {"x": torch.ones(3, 5)})


def test_a_result_of_another_shape_than_declared_ends_the_run(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPERATIONS, "linear", lambda x, weight, bias: x)
    with pytest.raises(PackageError, match=r"is \(3, 5\) torch.float32, the program says \(3, 7\)"):
        package.run("main", {"x": torch.ones(3, 5)})


def test_an_input_that_an_operation_does_not_have_ends_the_run(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPERATIONS, "linear", lambda x: x)
    with pytest.raises(PackageError, match="unexpected keyword"):
        package.run("main", {"x": torch.ones(3, 5)})


@pytest.mark.parametrize("damaged", ["model.mlmodel", "Manifest.json"])
def test_a_damaged_package_is_named(package: Package, tmp_path: Path, damaged: str) -> None:
    copied = tmp_path / "copy.mlpackage"
    shutil.copytree(tmp_path / "m.mlpackage", copied)
    (path,) = copied.rglob(damaged)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PackageError, match=r"copy\.mlpackage cannot be read"):
        Package(copied)
