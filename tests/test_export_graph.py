"""Tracing and the clean-up passes: the flat graph computes what the function does, and holds what XNNPACK takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from export import functional_ops as ops
from export.exportable import make_exportable
from export.graph_passes import calls
from export.joint_graph import trace, vjp
from export.parity import relative_error
from models.kv_boundary import KVBoundaryUNet
from tests.test_models_kv_boundary import small_unet

aten = torch.ops.aten

XNNPACK_TAKES = {
    *(aten.mul.Tensor, aten.add.Tensor, aten.sub.Tensor, aten.div.Tensor, aten.abs.default, aten.exp.default),
    *(aten.convolution.default, aten.linear.default, aten.bmm.default, aten.mean.dim, aten.rsqrt.default),
    *(aten.reshape.default, aten.permute.default, aten.slice.Tensor, aten.cat.default, aten._softmax.default),
    *(aten.sigmoid.default, aten.gelu.default, aten.sin.default, aten.cos.default),
}


@pytest.mark.parametrize("linear", [False, True], ids=["conv projection", "linear projection"])
def test_joint_graph_of_a_unet(linear: bool) -> None:
    """Loss gradients by K and V: the graph against autograd through the stock modules' own operations."""
    unet = small_unet(use_linear_projection=linear, mid_block_type="UNetMidBlock2DCrossAttn")
    stock = KVBoundaryUNet(unet)
    export = make_exportable(KVBoundaryUNet(unet, ops.attend))
    generator = torch.Generator().manual_seed(0)
    kv = [torch.randn((2, 5, layer.channels), generator=generator) for layer in stock.layers for _ in "KV"]
    x_t = torch.randn((2, 4, 8, 8), generator=generator)
    inputs = [x_t, torch.tensor([3.0, 700.0]), *kv, torch.randn((2, 4, 8, 8), generator=generator)]

    def gradients(model: nn.Module, *args: Tensor) -> tuple[Tensor, ...]:
        *rest, grad = args
        return vjp(model, rest, range(2, len(rest)), [grad])

    graph = trace(lambda *args: gradients(export, *args), inputs)
    expected = gradients(stock, *inputs)
    actual = graph(*inputs)
    assert max(relative_error(a, e) for a, e in zip(actual, expected, strict=True)) < 1e-4
    assert {node.target for node in calls(graph)} <= XNNPACK_TAKES
    weights = sum(x.numel() for x in unet.parameters())
    held = sum(x.numel() for x in graph.buffers())
    # Lowering writes a constant's whole storage from its start: a view (GEGLU's gate) would come out as its neighbour.
    assert all(x.untyped_storage().nbytes() == x.numel() * 4 and x.is_contiguous() for x in graph.buffers())
    assert held < 2.5 * weights  # a copy for each direction; anything more was left behind by tracing


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, y: (x * y, x), "is the input"),
        (lambda x, y: (x * y, y.view(2, 1).detach()), "is the input"),
        (lambda x, y: vjp(lambda a: a + 1.0, [x], [0], [y]), "is the input"),
        (lambda x, y: (x * y,) * 2, "occurs twice"),
    ],
    ids=["input", "view of an input", "gradient handed through", "twice"],
)
def test_outputs_that_alias_are_refused(function: Callable[..., Any], message: str) -> None:
    """ExecuTorch would never write such an output."""
    with pytest.raises(ValueError, match=message):
        trace(function, [torch.ones(2), torch.ones(2)])


def test_constants_are_folded_and_scalars_are_floats() -> None:
    weight = nn.Linear(3, 5)

    def function(x: Tensor) -> Tensor:
        return (x @ weight.weight.detach().t().contiguous() + torch.arange(5) * 2) * 1 * 3

    graph = trace(function, [torch.randn(2, 3)])
    targets = [node.target for node in calls(graph)]
    assert targets == [aten.linear.default, aten.add.Tensor, aten.mul.Tensor]
    assert isinstance(calls(graph)[-1].args[1], float)
    x = torch.randn(2, 3)
    torch.testing.assert_close(graph(x)[0], function(x).detach())


def test_products_of_two_inputs_become_batched() -> None:
    graph = trace(torch.mm, [torch.randn(2, 3), torch.randn(3, 4)])
    assert aten.bmm.default in {node.target for node in calls(graph)}
    a, b = torch.randn(2, 3), torch.randn(3, 4)
    torch.testing.assert_close(graph(a, b)[0], a @ b)


def test_views_collapse() -> None:
    graph = trace(lambda x: x.view(6).unsqueeze(0).reshape(3, 2).squeeze().view(2, 3) * 2.0, [torch.randn(2, 3)])
    assert [node.target for node in calls(graph)] == [aten.mul.Tensor]
