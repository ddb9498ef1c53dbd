"""The K/V boundary computes what the stock diffusers UNet computes, forward and backward."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel

from models.adapter import adapter_spec, base_weights, initial_tensors, project_kv
from models.kv_boundary import KVBoundaryUNet, UnsupportedModelError, cross_attention_layers
from tests.sd_shaped import make_unet

# Equal mathematics in another order of operations, float32, some twenty layers.
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}

VARIANTS = {
    "student": {},
    "linear projection": {"use_linear_projection": True},
    "mid block": {"mid_block_type": "UNetMidBlock2DCrossAttn"},
    "teacher": {"mid_block_type": "UNetMidBlock2DCrossAttn", "layers_per_block": 2},
    "head sizes differ": {"attention_head_dim": (2, 4)},
}


def small_unet(**changes: object) -> UNet2DConditionModel:
    small = {
        "sample_size": 8,
        "block_out_channels": (16, 32),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 24,
        "norm_num_groups": 8,
    }
    return make_unet(student=True, **{**small, **changes})


def example(unet: UNet2DConditionModel, batch: int = 2) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    size = unet.config.sample_size
    x_t = torch.randn((batch, 4, size, size), generator=generator)
    hidden = torch.randn((batch, 5, unet.config.cross_attention_dim), generator=generator)
    return x_t, torch.tensor([7.0, 801.0])[:batch], hidden


@pytest.fixture(params=VARIANTS, ids=str)
def unet(request: pytest.FixtureRequest) -> UNet2DConditionModel:
    return small_unet(**VARIANTS[request.param])


def test_forward_equals_stock(unet: UNet2DConditionModel) -> None:
    x_t, t, hidden = example(unet)
    spec, base = adapter_spec(unet, "full"), base_weights(unet)
    keys_values = project_kv(spec, base, hidden, list(initial_tensors(spec, base).values()))
    with torch.no_grad():
        expected = unet(x_t, t, encoder_hidden_states=hidden).sample
        torch.testing.assert_close(KVBoundaryUNet(unet)(x_t, t, *keys_values), expected, **TOLERANCE)


def test_gradients_chain_to_stock_weight_gradients(unet: UNet2DConditionModel) -> None:
    """dW = dKᵀ·hidden and d_hidden = Σ dK·W, against autograd through the stock model."""
    x_t, t, hidden = example(unet)
    spec, base = adapter_spec(unet, "full"), base_weights(unet)
    keys_values = project_kv(spec, base, hidden, list(base.values()))
    leaves = [x.detach().requires_grad_() for x in keys_values]
    gradients = torch.autograd.grad(KVBoundaryUNet(unet)(x_t, t, *leaves).square().sum(), leaves)

    stock_hidden = hidden.clone().requires_grad_()
    weights = [unet.get_parameter(name) for name in base]
    stock = torch.autograd.grad(
        unet(x_t, t, encoder_hidden_states=stock_hidden).sample.square().sum(), [stock_hidden, *weights]
    )
    d_hidden = sum(g @ w for g, w in zip(gradients, base.values(), strict=True))
    expected_scale = max(g.abs().max().item() for g in stock)
    torch.testing.assert_close(d_hidden, stock[0], rtol=1e-3, atol=1e-4 * expected_scale)
    for gradient, expected in zip(gradients, stock[1:], strict=True):
        actual = torch.einsum("bnc,bnd->cd", gradient, hidden)
        torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-4 * expected_scale)


def test_layers_are_in_the_order_they_run(unet: UNet2DConditionModel) -> None:
    ran: list[str] = []
    for name, module in unet.named_modules():
        if name.endswith(".attn2"):
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    x_t, t, hidden = example(unet)
    with torch.no_grad():
        unet(x_t, t, encoder_hidden_states=hidden)
    assert [layer.name for layer in cross_attention_layers(unet)] == ran


def test_original_is_left_as_it_was_and_weights_are_shared() -> None:
    unet = small_unet()
    before = {name: x.clone() for name, x in unet.state_dict().items()}
    boundary = KVBoundaryUNet(unet)
    after = unet.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    for name, parameter in boundary.unet.named_parameters():
        assert parameter.data_ptr() == unet.get_parameter(name).data_ptr()
    assert not any("attn2.to_k" in name or "attn2.to_v" in name for name, _ in boundary.named_parameters())


def test_wrong_number_of_keys_and_values() -> None:
    unet = small_unet()
    x_t, t, _ = example(unet)
    with pytest.raises(ValueError, match="keys and values"):
        KVBoundaryUNet(unet)(x_t, t)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_embed_type": "timestep"},
        {"down_block_types": ("ResnetDownsampleBlock2D", "DownBlock2D")},
        {"resnet_time_scale_shift": "scale_shift"},
        {"only_cross_attention": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_unsupported_models_are_named(changes: dict[str, object]) -> None:
    with pytest.raises(
        UnsupportedModelError, match=r"class_embed_type|ResnetDownsampleBlock2D|scale_shift|only_cross_attention"
    ):
        cross_attention_layers(small_unet(**changes))
