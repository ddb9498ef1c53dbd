"""The export's operations, in every target's form, are PyTorch's own functions, forward and backward, up to float32
rounding.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from diffusers.models.activations import GEGLU
from diffusers.models.embeddings import Timesteps
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import ACT2FN

from export import functional_ops as ops
from export.coreml import forms as coreml_forms
from export.exportable import make_exportable, replacement
from models.attention import attend, causal_mask
from models.kv_boundary import UnsupportedModelError

# float32 with sums in another order; values and gradients here are of size 1.
TOLERANCE = {"rtol": 1e-4, "atol": 2e-5}

FORMS = {
    "xnnpack": ops.XNNPACK,
    "coreml original": coreml_forms.forms("original"),
    "coreml split_einsum": coreml_forms.forms("split_einsum"),
}


@pytest.fixture(params=FORMS)
def forms(request: pytest.FixtureRequest) -> ops.Forms:
    return FORMS[request.param]


def tensor(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def compare(actual: Callable[..., Tensor], expected: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Values and the gradients of every input under a random output gradient."""
    results = []
    for function in (actual, expected):
        leaves = [x.clone().requires_grad_() for x in inputs]
        out = function(*leaves)
        results.append((out, *torch.autograd.grad(out, leaves, tensor(*out.shape, seed=9))))
    for a, e in zip(*results, strict=True):
        torch.testing.assert_close(a, e, **TOLERANCE)


# A group of one number has no variance: 12 groups need more than one pixel.
@pytest.mark.parametrize(
    ("shape", "groups"),
    [*itertools.product([(2, 12, 5, 3), (3, 12, 7)], [1, 4, 12]), ((1, 12, 1, 1), 1), ((1, 12, 1, 1), 4)],
    ids=str,
)
def test_group_norm(shape: tuple[int, ...], groups: int, forms: ops.Forms) -> None:
    norm = nn.GroupNorm(groups, 12, eps=1e-5)
    norm.weight.data, norm.bias.data = tensor(12, seed=1), tensor(12, seed=2)
    compare(replacement(norm, forms), norm, tensor(*shape) * 3 + 5)


@pytest.fixture
def float16_constants() -> Iterator[None]:
    """Constants that a function makes are float16, as they are in a program that computes in it."""
    torch.set_default_dtype(torch.float16)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("size", [1e-3, 1e-1, 1.0, 300.0, 3000.0])
def test_group_norm_in_float16(size: float, float16_constants: None) -> None:
    """Squares of the larger values, and cubes of their deviation's inverse, are out of float16's range."""
    x, grad = tensor(2, 16, 8, 8) * size, tensor(2, 16, 8, 8, seed=3)
    weight, bias = tensor(16, seed=1), tensor(16, seed=2)
    own = x.clone().requires_grad_()
    out = ops.GroupNorm.apply(own, weight, bias, 4, 1e-5, coreml_forms.group_deviation)
    exact = x.double().requires_grad_()
    expected = functional.group_norm(exact, 4, weight.double(), bias.double(), 1e-5)
    (actual_grad,) = torch.autograd.grad(out, own, grad * 8)  # as a scaled loss gives it
    (expected_grad,) = torch.autograd.grad(expected, exact, grad.double() * 8)
    for a, e in ((out, expected), (actual_grad, expected_grad)):
        assert (a.double() - e).abs().max() < 5e-3 * e.abs().max()  # some ten roundings of 2⁻¹¹ each


def test_layer_norm(forms: ops.Forms) -> None:
    norm = nn.LayerNorm(24)
    norm.weight.data, norm.bias.data = tensor(24, seed=1), tensor(24, seed=2)
    compare(replacement(norm, forms), norm, tensor(2, 5, 24) * 3 + 5)


@pytest.mark.parametrize(
    "module", [nn.SiLU(), nn.GELU(), ACT2FN["quick_gelu"], ACT2FN["gelu"]], ids=lambda m: type(m).__name__
)
def test_activations(module: nn.Module, forms: ops.Forms) -> None:
    compare(replacement(module, forms), module, torch.linspace(-12, 12, 4001).reshape(1, -1))


def test_gelu_derivative_against_float64(forms: ops.Forms) -> None:
    """Within 1e-6 everywhere: zero, subnormals, both tails (the sum of two float32 terms of size up to 1.13)."""
    x = torch.cat([torch.linspace(-30, 30, 60001), torch.tensor([0.0, -0.0, 1e-20, -1e-20, 1e-30, -1e-38, 1e-42])])
    wide = x.double()
    exact = 0.5 * torch.erfc(-wide / math.sqrt(2)) + wide * torch.exp(-wide * wide / 2) / math.sqrt(2 * math.pi)
    assert (forms.gelu_derivative(x).double() - exact).abs().max() < 1e-6


def test_geglu(forms: ops.Forms) -> None:
    module = GEGLU(12, 20)
    compare(replacement(module, forms), module, tensor(2, 5, 12))


@pytest.mark.parametrize("kept", [True, False], ids=["probabilities kept", "computed again"])
@pytest.mark.parametrize("masked", [True, False], ids=["causal", "open"])
def test_attention(masked: bool, kept: bool, forms: ops.Forms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "KEEP_PROBABILITIES_BYTES", 1 << 20 if kept else 0)
    mask = causal_mask(7) if masked else None
    keys = 7 if masked else 5
    compare(
        lambda q, k, v: forms.attend(q, k, v, 3, mask),
        lambda q, k, v: attend(q, k, v, 3, mask),
        *(tensor(2, length, 12, seed=i) for i, length in enumerate((7, keys, keys))),
    )


@pytest.mark.parametrize("masked", [True, False], ids=["causal", "open"])
def test_split_einsum_takes_queries_in_chunks(masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last chunk is smaller than the others."""
    monkeypatch.setattr(coreml_forms, "QUERY_CHUNK", 3)
    mask = causal_mask(7) if masked else None
    compare(
        lambda q, k, v: coreml_forms.attend_split_einsum(q, k, v, 3, mask),
        lambda q, k, v: attend(q, k, v, 3, mask),
        *(tensor(2, 7, 12, seed=i) for i in range(3)),
    )


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (8, 8)], ids=str)
def test_upsample_is_one_transposed_convolution(size: tuple[int, int]) -> None:
    module = Upsample2D(6, use_conv=True, out_channels=4)
    compare(replacement(module, ops.XNNPACK), module, tensor(2, 6, *size))


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("shift", [0, 1])
def test_timesteps(flip: bool, shift: int) -> None:
    module = Timesteps(32, flip, shift)
    t = torch.tensor([0.0, 1.0, 500.0, 999.0])
    # The angle itself is rounded: 999 · 2^-24 is 6e-5.
    torch.testing.assert_close(replacement(module, ops.XNNPACK)(t), module(t), rtol=0, atol=1e-4)


def test_unsupported_upsampler_is_named() -> None:
    with pytest.raises(UnsupportedModelError, match="upsampler"):
        make_exportable(nn.Sequential(Upsample2D(6, use_conv_transpose=True)))


def test_only_known_modules_are_replaced() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Linear(1, 1))
    kinds = [type(child) for child in model]
    assert [type(child) for child in make_exportable(model)] == kinds
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert functional.relu(torch.ones(1)) == 1
