"""The K/V boundary: a UNet as a fixed function of (x_t, t, K₁, V₁, …, K_L, V_L).

Everything personalization trains lies upstream of the cross-attention's inputs (Custom Diffusion, Kumari et al. 2023),
so `attn2.to_k` and `attn2.to_v` are taken out of the UNet and their results become its inputs.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from models.attention import Attend, attend


@dataclass(frozen=True)
class CrossAttentionLayer:
    """One `attn2`: its module name in diffusers, and the width of its keys and values."""

    name: str
    channels: int


class UnsupportedModelError(ValueError):
    """The model has a part this project does not know how to cut or export; the message names it."""


def cross_attention_layers(unet: UNet2DConditionModel) -> list[CrossAttentionLayer]:
    """Every cross-attention of `unet` in the order it runs: down, mid, up."""
    check_supported(unet)
    layers = []
    for part in ("down_blocks", "mid_block", "up_blocks"):
        block = getattr(unet, part, None)
        if block is None:
            continue
        for name, module in block.named_modules(prefix=part):
            if name.endswith(".attn2") and isinstance(module, Attention):
                layers.append(CrossAttentionLayer(name, module.to_k.out_features))
    if not layers:
        raise UnsupportedModelError("the UNet has no cross-attention (attn2) to personalize")
    return layers


def check_supported(unet: UNet2DConditionModel) -> None:
    """Raise UnsupportedModelError unless `unet` is shaped like Stable Diffusion 1.x or 2.x (any width and depth)."""
    config = unet.config
    expected = {
        "addition_embed_type": None,
        "class_embed_type": None,
        "num_class_embeds": None,
        "encoder_hid_dim": None,
        "encoder_hid_dim_type": None,
        "time_cond_proj_dim": None,
        "resnet_time_scale_shift": "default",
        "only_cross_attention": False,
        "dual_cross_attention": False,
        "center_input_sample": False,
    }
    for key, value in expected.items():
        if config.get(key, value) not in (value, (value,) * len(config.down_block_types)):
            raise UnsupportedModelError(f"UNet config {key}={config[key]!r}; only {value!r} is supported")
    if not isinstance(config.sample_size, int):
        raise UnsupportedModelError(f"UNet config sample_size={config.sample_size!r} is not one square size")
    known = {"CrossAttnDownBlock2D", "DownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"}
    unknown = {*config.down_block_types, *config.up_block_types} - known
    if config.mid_block_type not in (None, "UNetMidBlock2DCrossAttn"):
        unknown.add(config.mid_block_type)
    if unknown:
        raise UnsupportedModelError(f"UNet blocks {sorted(unknown)} are not supported")
    for name, module in unet.named_modules():
        if name.endswith(".attn2") and isinstance(module, Attention) and module.to_k.bias is not None:
            raise UnsupportedModelError(f"{name}.to_k has a bias; adapters hold weights only")


class AttentionProcessor:
    """diffusers attention processor that calls an `Attend`; serves self-attention and the autoencoder's."""

    def __init__(self, attend: Attend) -> None:
        self.attend = attend

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        residual, shape = hidden_states, hidden_states.shape
        image = len(shape) == 4
        if image:
            hidden_states = hidden_states.permute(0, 2, 3, 1).reshape(shape[0], -1, shape[1])
        if attn.group_norm is not None:
            hidden_states = attn.group_norm(hidden_states.transpose(1, 2)).transpose(1, 2)
        key, value = self.key_value(attn, hidden_states)
        out = attn.to_out[0](self.attend(attn.to_q(hidden_states), key, value, attn.heads, None))
        if image:
            out = out.reshape(shape[0], shape[2], shape[3], shape[1]).permute(0, 3, 1, 2)
        if attn.residual_connection:
            out = out + residual
        return out if attn.rescale_output_factor == 1 else out / attn.rescale_output_factor

    def key_value(self, attn: Attention, hidden_states: Tensor) -> tuple[Tensor, Tensor]:
        return attn.to_k(hidden_states), attn.to_v(hidden_states)


class BoundaryProcessor(AttentionProcessor):
    """Cross-attention whose keys and values, each (B, n, C), were computed outside the UNet."""

    supplied: tuple[Tensor, Tensor] | None = None

    def key_value(self, attn: Attention, hidden_states: Tensor) -> tuple[Tensor, Tensor]:
        if self.supplied is None:
            raise RuntimeError("call the UNet through KVBoundaryUNet, which supplies keys and values")
        return self.supplied


class KVBoundaryUNet(nn.Module):
    """`unet` without `attn2.to_k` and `attn2.to_v`. Shares its weights; leaves the original as it was.

    forward(x_t (B,4,h,w), t (B,), K_1 (B,n,C_1), V_1 (B,n,C_1), …, K_L, V_L) → model output (B,4,h,w).
    Not reentrant: one call at a time.
    """

    def __init__(self, unet: UNet2DConditionModel, attend: Attend = attend) -> None:
        super().__init__()
        self.layers = cross_attention_layers(unet)
        shared = {id(x): x for x in (*unet.parameters(), *unet.buffers())}
        self.unet = copy.deepcopy(unet, shared).eval()
        self.unet.set_attn_processor(AttentionProcessor(attend))
        self.boundaries = []
        for layer in self.layers:
            attn = self.unet.get_submodule(layer.name)
            assert isinstance(attn, Attention)
            del attn.to_k, attn.to_v
            boundary = BoundaryProcessor(attend)
            attn.processor = boundary
            self.boundaries.append(boundary)

    def forward(self, x_t: Tensor, t: Tensor, *keys_values: Tensor) -> Tensor:
        if len(keys_values) != 2 * len(self.layers):
            raise ValueError(f"{len(self.layers)} layers need {2 * len(self.layers)} keys and values")
        pairs = zip(keys_values[::2], keys_values[1::2], strict=True)
        for boundary, pair in zip(self.boundaries, pairs, strict=True):
            boundary.supplied = pair
        try:
            return self.unet(x_t, t, encoder_hidden_states=None, return_dict=False)[0]
        finally:
            for boundary in self.boundaries:
                boundary.supplied = None
