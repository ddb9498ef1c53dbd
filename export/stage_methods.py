"""The programs of a UNet in stages: each stage's forward, and its backward, which computes its own forward inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from export.exportable import make_exportable
from export.joint_graph import vjp
from export.methods import Method, Options, random_tensors, squared_error
from export.pipeline import Pipeline
from export.stages import Stage, carries_gradient, unet_stages
from models import manifest as mf
from models.kv_boundary import KVBoundaryUNet, cross_attention_layers

Shapes = dict[str, tuple[int, ...]]


def stage_methods(pipeline: Pipeline, options: Options) -> Iterator[Method]:
    """A `Method` a program, named `denoise/<stage>.forward`, `train_step/<stage>.forward` or `….backward`."""
    boundary = KVBoundaryUNet(pipeline.unet, options.forms.attend)
    make_exportable(boundary, options.forms)
    stages = unet_stages(boundary)
    shapes = tensor_shapes(pipeline, stages, options.batch.denoise)
    for stage in stages:
        yield _forward("denoise", stage, shapes)
    shapes = tensor_shapes(pipeline, stages, options.batch.train)
    needed = carries_gradient(stages)
    for stage in stages[:-1]:
        yield _forward("train_step", stage, shapes)
        if needed.intersection(stage.outputs):
            yield _backward(stage, needed, shapes)
    yield _loss(stages[-1], shapes)


def tensor_shapes(pipeline: Pipeline, stages: Sequence[Stage], batch: int) -> Shapes:
    """Shape of every tensor that `stages` read or make, and of target and weight, for `batch` rows."""
    channels, size = pipeline.unet.config.in_channels, pipeline.latent_size
    shapes: Shapes = {"x_t": (batch, channels, size, size), "t": (batch,)}
    for i, layer in enumerate(cross_attention_layers(pipeline.unet)):
        shapes[f"K{i}"] = shapes[f"V{i}"] = (batch, pipeline.max_length, layer.channels)
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        tensors = {name: torch.zeros(shape) for name, shape in shapes.items()}
        for stage in stages:
            results = stage.function(*(tensors[name] for name in stage.inputs))
            tensors.update(zip(stage.outputs, results, strict=True))
    shapes.update({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    shapes["target"] = shapes["model_output"]
    shapes["weight"] = (batch, 1, size, size)
    return shapes


def _method(name: str, function: object, inputs: list[str], outputs: list[str], shapes: Shapes) -> Method:
    """`inputs` and `outputs` by role; the manifest's names say which batch they are of."""
    batch = "denoise" if name.startswith("denoise/") else "train"
    example_shapes = [shapes[role.removeprefix("d:")] for role in inputs]

    def example(seed: int) -> list[Tensor]:
        return random_tensors(seed, example_shapes)

    def named(roles: list[str]) -> list[str]:
        return [role if role == "loss" else f"{role}.{batch}" for role in roles]

    return Method(name, function, named(inputs), named(outputs), example)  # type: ignore[arg-type]


def _forward(method: str, stage: Stage, shapes: Shapes) -> Method:
    return _method(f"{method}/{stage.name}.forward", stage.function, stage.inputs, stage.outputs, shapes)


def _backward(stage: Stage, needed: set[str], shapes: Shapes) -> Method:
    given = [name for name in stage.outputs if name in needed]
    wanted = [i for i, name in enumerate(stage.inputs) if name in needed]
    count = len(stage.inputs)

    def backward(*args: Tensor) -> tuple[Tensor, ...]:
        return tuple(_written(x, args) for x in vjp(stage.function, args[:count], wanted, args[count:]))

    inputs = [*stage.inputs, *(f"d:{name}" for name in given)]
    outputs = [f"d:{stage.inputs[i]}" for i in wanted]
    return _method(f"train_step/{stage.name}.backward", backward, inputs, outputs, shapes)


def _written(gradient: Tensor, inputs: Sequence[Tensor]) -> Tensor:
    """A residual connection returns its gradient as it came, and ExecuTorch writes no output that is an input: times a
    constant one, it is another tensor.
    """
    if not any(gradient is x for x in inputs):
        return gradient
    return gradient * torch.ones([1] * gradient.ndim)


def _loss(stage: Stage, shapes: Shapes) -> Method:
    """The last stage with the loss: hidden, target, weight → loss, d:hidden."""

    def backward(hidden: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            leaf = hidden.detach().requires_grad_()
            (output,) = stage.function(leaf)
            loss, d_output = squared_error(output.detach(), target, weight)
            return loss, *torch.autograd.grad(output, leaf, d_output)

    (hidden,) = stage.inputs
    name = f"train_step/{stage.name}.backward"
    return _method(name, backward, [hidden, "target", "weight"], ["loss", f"d:{hidden}"], shapes)


def in_stages(name: str, programs: dict[str, mf.Program]) -> mf.Method:
    """The manifest's entry of the staged method `name`, from the programs of `stage_methods` by their names."""
    stages: dict[str, mf.Stage] = {}
    for key, program in programs.items():
        method, _, rest = key.partition("/")
        if method == name:
            stage, _, direction = rest.rpartition(".")
            setattr(stages.setdefault(stage, mf.Stage(stage, None, None)), direction, program)
    return mf.Method(list(stages.values()))
