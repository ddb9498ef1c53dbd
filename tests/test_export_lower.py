"""Single layers through XNNPACK: ExecuTorch gives what PyTorch gives, before a whole model hides a difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from export import functional_ops as ops
from export.executorch_target import LoadedProgram
from export.exportable import make_exportable
from export.joint_graph import trace, vjp
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


@pytest.mark.slow
@pytest.mark.parametrize("linear", [False, True], ids=["conv projection", "linear projection"])
def test_layers_forward_and_backward(tmp_path: Path, linear: bool) -> None:
    """All layers in one program, with the gradient of the image and of the tokens through each."""
    unet = small_unet(use_linear_projection=linear, block_out_channels=(16, 128))
    stock = dict(parts(KVBoundaryUNet(unet).unet))
    export = dict(parts(make_exportable(KVBoundaryUNet(unet, ops.attend)).unet))
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 16, 8, 8), (2, 64), (2,), (2, 64, 16)]
    inputs = [torch.randn(shape, generator=generator) for shape in shapes]
    inputs[2] = torch.tensor([3.0, 999.0])

    def run(layers: dict[str, Callable[..., Tensor]], *args: Tensor) -> tuple[Tensor, ...]:
        out = [layer(*args) for layer in layers.values()]
        for name, layer in layers.items():
            if name == "time embedding":
                continue
            wanted = 3 if name in ("layer norm", "self-attention", "feed-forward") else 0
            out += vjp(layer, args, [wanted], [layer(*args).detach().sigmoid()])
        return tuple(out)

    graph = trace(lambda *args: run(export, *args), inputs)
    lower(graph, inputs, tmp_path / "layers.pte")
    actual = LoadedProgram(tmp_path / "layers.pte").run(inputs)
    expected = run(stock, *inputs)
    names = [*stock, *(f"gradient of {name}" for name in stock if name != "time embedding")]
    errors = {n: relative_error(a, e) for n, a, e in zip(names, actual, expected, strict=True)}
    assert max(errors.values()) < 1e-4, errors
