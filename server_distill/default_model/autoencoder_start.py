"""A start for training an autoencoder that is far better than noise: block averages in, smooth enlargement out.

An `AutoencoderKL` can be set so that, before any training, latents are the 8×8 block averages of the picture's colours
and the decoder enlarges them smoothly: about 19 dB on the default model's pictures, where the usual start needs a
thousand steps to get to 16 dB. Training then only has to learn what block averages miss.

How: residual branches start at zero; the first eight channels of the trunk ("carriers") hold R, G, B, −R, −G, −B and
two constants ±3. The constants keep the last normalization's scale nearly the same for every picture, and the signed
pairs undo the last activation: silu(x) − silu(−x) = x.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import nn

CARRIERS = 8
CONSTANT = 3.0
POSTERIOR_LOG_VARIANCE = -6.0
"""σ = e⁻³: at the usual σ = 1 the first steps go into learning to shout over the posterior's noise."""


@torch.no_grad()
def start_from_block_averages(model: AutoencoderKL) -> None:
    """Set the weights of `model` (new, RGB, one normalization group) in place."""
    for module in model.modules():
        if shortcut := getattr(module, "conv_shortcut", None):
            _carry(shortcut, torch.ones(1, 1))
        if hasattr(module, "conv2"):
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)
    halves = torch.tensor([0.5, 0.5, 0.0])
    for block in model.encoder.down_blocks:
        for sampler in block.downsamplers or []:
            _carry(sampler.conv, torch.outer(halves, halves))
    smooth = torch.tensor([0.25, 0.5, 0.25])
    for block in model.decoder.up_blocks:
        for sampler in block.upsamplers or []:
            _carry(sampler.conv, torch.outer(smooth, smooth))
    latent_gain = _scale(model.encoder.conv_out.in_channels)
    _spread_colours(model.encoder.conv_in, 1.0)
    _join_colours(model.encoder.conv_out, 1.0)
    _spread_colours(model.decoder.conv_in, latent_gain)
    _join_colours(model.decoder.conv_out, _scale(model.decoder.conv_out.in_channels))
    latents = model.config.latent_channels
    _identity(model.quant_conv)
    model.quant_conv.weight[latents:] = 0
    model.quant_conv.bias[latents:] = POSTERIOR_LOG_VARIANCE
    _identity(model.post_quant_conv)


def _scale(channels: int) -> float:
    """The trunk's standard deviation over `channels`, which normalization divides by, when the constants dominate."""
    return float((2 * CONSTANT**2 / channels) ** 0.5)


def _carry(conv: nn.Conv2d, kernel: torch.Tensor) -> None:
    """Pass each carrier through `kernel`, unmixed."""
    conv.weight[:CARRIERS] = 0
    conv.bias[:CARRIERS] = 0
    for channel in range(CARRIERS):
        conv.weight[channel, channel] = kernel


def _spread_colours(conv: nn.Conv2d, gain: float) -> None:
    """From three colours to the carriers."""
    conv.weight[:CARRIERS] = 0
    conv.bias[:CARRIERS] = 0
    for channel in range(3):
        conv.weight[channel, channel, 1, 1] = gain
        conv.weight[channel + 3, channel, 1, 1] = -gain
    conv.bias[6], conv.bias[7] = CONSTANT, -CONSTANT


def _join_colours(conv: nn.Conv2d, gain: float) -> None:
    """From normalized and activated carriers back to three colours."""
    conv.weight[:3] = 0
    conv.bias[:3] = 0
    for channel in range(3):
        conv.weight[channel, channel, 1, 1] = gain
        conv.weight[channel, channel + 3, 1, 1] = -gain


def _identity(conv: nn.Conv2d) -> None:
    conv.weight.copy_(torch.eye(conv.out_channels, conv.in_channels)[:, :, None, None])
    conv.bias.zero_()
