"""Single layers through XNNPACK: ExecuTorch gives what PyTorch gives, before a whole model hides a difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from torch import Tensor, nn
from torch.fx.traceback import NodeSource

from export import functional_ops as ops
from export.executorch_target import LoadedProgram
from export.exportable import make_exportable
from export.joint_graph import trace, vjp
from export.lean_lowering import no_ancestry
from export.lower import lower
from export.parity import relative_error
from models.kv_boundary import KVBoundaryUNet
from tests.test_models_kv_boundary import small_unet

Part = tuple[str, Callable[..., Tensor]]


def parts(model: nn.Module) -> Iterator[Part]:
    """Name and function (image (B,16,8,8), time embedding (B,64), t (B,), tokens (B,64,16)) of each layer alone."""
    down, up = model.down_blocks, model.up_blocks
    transformer = down[0].attentions[0]
    block = transformer.transformer_blocks[0]
    yield "group norm", lambda x, *_: down[0].resnets[0].norm1(x)
    yield "resnet", lambda x, temb, *_: down[0].resnets[0](x, temb)
    yield "wide resnet", lambda x, temb, *_: down[1].resnets[0](x, temb)
    yield "downsample", lambda x, *_: down[0].downsamplers[0](x)
    yield "upsample", lambda x, *_: up[0].upsamplers[0](torch.cat([x] * 8, 1))
    yield "layer norm", lambda x, temb, t, tokens: block.norm1(tokens)
    yield "self-attention", lambda x, temb, t, tokens: block.attn1(tokens)
    yield "feed-forward", lambda x, temb, t, tokens: block.ff(tokens)
    yield "time embedding", lambda x, temb, t, *_: model.time_embedding(model.time_proj(t))


Layers = tuple[dict[str, Callable[..., Tensor]], dict[str, Callable[..., Tensor]], list[Tensor]]


def outputs(layers: dict[str, Callable[..., Tensor]], *args: Tensor) -> tuple[Tensor, ...]:
    """What each layer gives, and the gradient of the image or the tokens through it."""
    out = [layer(*args) for layer in layers.values()]
    for name, layer in layers.items():
        if name == "time embedding":
            continue
        wanted = 3 if name in ("layer norm", "self-attention", "feed-forward") else 0
        out += vjp(layer, args, [wanted], [layer(*args).detach().sigmoid()])
    return tuple(out)


@pytest.fixture(scope="module", params=[False, True], ids=["conv projection", "linear projection"])
def layers(request: pytest.FixtureRequest) -> Layers:
    """The layers in exportable form, the stock ones, and inputs."""
    unet = small_unet(use_linear_projection=request.param, block_out_channels=(16, 128))
    stock = dict(parts(KVBoundaryUNet(unet).unet))
    export = dict(parts(make_exportable(KVBoundaryUNet(unet, ops.attend)).unet))
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 16, 8, 8), (2, 64), (2,), (2, 64, 16)]
    inputs = [torch.randn(shape, generator=generator) for shape in shapes]
    inputs[2] = torch.tensor([3.0, 999.0])
    return export, stock, inputs


@pytest.mark.slow
def test_layers_forward_and_backward(layers: Layers, tmp_path: Path) -> None:
    export, stock, inputs = layers
    lower(trace(lambda *args: outputs(export, *args), inputs), inputs, tmp_path / "layers.pte")
    actual = LoadedProgram(tmp_path / "layers.pte").run(inputs)
    expected = outputs(stock, *inputs)
    names = [*stock, *(f"gradient of {name}" for name in stock if name != "time embedding")]
    errors = {n: relative_error(a, e) for n, a, e in zip(names, actual, expected, strict=True)}
    assert max(errors.values()) < 1e-4, errors


@pytest.mark.slow
@pytest.mark.parametrize("layers", [False], indirect=True, ids=["conv projection"])
def test_what_is_left_out_of_lowering_changes_no_byte(layers: Layers, tmp_path: Path) -> None:
    export, _, inputs = layers
    some = {name: export[name] for name in ("resnet", "self-attention")}
    graph = trace(lambda *args: outputs(some, *args), inputs)
    lower(graph, inputs, tmp_path / "lean.pte")
    # The record of each node's origin stays out: debug handles get other numbers by it, and all takes thrice as long.
    everything = {
        "lean_lowering": lambda: mock.patch.object(NodeSource, "__init__", no_ancestry),
        "LeanPartitioner": XnnpackPartitioner,
        "shapes_only": lambda _: None,
    }
    with mock.patch.multiple("export.lower", **everything):
        lower(graph, inputs, tmp_path / "whole.pte")
    assert (tmp_path / "lean.pte").read_bytes() == (tmp_path / "whole.pte").read_bytes()
