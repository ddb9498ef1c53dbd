"""A wider network that begins where a narrower one is: Net2WiderNet (Chen, Goodfellow & Shlens 2016, section 2.2).

Channels are repeated, and whoever reads the repeats shares its weight among them, unevenly and at random so that the
repeats learn different things. Repeats lie beside their original: group normalization, attention's heads and GEGLU's
halves then hold what they held.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

UNEVEN = 0.5
"""Shares before they are normalized: uniform in 1 ± UNEVEN."""


def widen(unet: UNet2DConditionModel, widths: Sequence[int], seed: int = 0) -> UNet2DConditionModel:
    """A UNet of `unet`'s architecture whose `block_out_channels` are `widths`, none less than `unet`'s own.

    It computes what `unet` does, up to rounding, when every level grows by the same whole factor. Otherwise the
    normalizations see some channels more often than others, and where a skip connection enters, in other groups:
    training has that to mend. Raises ValueError if a level would be narrower, or where two levels are equally wide in
    one network but not in the other: a residual block between them has a shortcut's convolution in one alone.
    """
    old_widths = tuple(unet.config.block_out_channels)
    if not _can_widen(old_widths, tuple(widths)):
        raise ValueError(f"cannot widen levels of {old_widths} channels to {tuple(widths)}")
    wide = UNet2DConditionModel.from_config({**unet.config, "block_out_channels": tuple(widths)})
    shapes = {name: tensor.shape for name, tensor in wide.state_dict().items()}
    generator = torch.Generator().manual_seed(seed)
    parts = _concatenations(old_widths, tuple(widths), unet.config.layers_per_block)
    state = {name: _widened(name, tensor, shapes[name], parts, generator) for name, tensor in unet.state_dict().items()}
    wide.load_state_dict(state)
    return wide


def widen_autoencoder(vae: AutoencoderKL, widths: Sequence[int], seed: int = 0) -> AutoencoderKL:
    """An autoencoder whose `block_out_channels` are `widths` and that computes what `vae` does, up to rounding.

    The encoder grows too, as diffusers has one list of widths for both halves: it goes on giving the same latents.
    Raises ValueError unless every level grows by the same whole factor, for else it would not.
    """
    old = tuple(vae.config.block_out_channels)
    factor = widths[0] // old[0]
    if tuple(widths) != tuple(factor * width for width in old):
        raise ValueError(f"an autoencoder of {old} channels cannot become one of {tuple(widths)}: no common factor")
    wide = AutoencoderKL.from_config({**vae.config, "block_out_channels": tuple(widths)})
    shapes = {name: tensor.shape for name, tensor in wide.state_dict().items()}
    generator = torch.Generator().manual_seed(seed)
    state = {name: _widened(name, tensor, shapes[name], {}, generator) for name, tensor in vae.state_dict().items()}
    wide.load_state_dict(state)
    return wide


def _can_widen(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    if len(old) != len(new) or any(n < o for o, n in zip(old, new, strict=True)):
        return False
    return [a == b for a, b in pairwise(old)] == [a == b for a, b in pairwise(new)]


Parts = list[tuple[int, int]]
"""Widths before and after, of the pieces that a concatenation consists of."""


def _concatenations(old: tuple[int, ...], new: tuple[int, ...], layers: int) -> dict[str, Parts]:
    """What the up blocks' residual blocks read: the hidden states, and beside them a skip connection's channels.

    The skips, in the order in which they are made: conv_in, then each level's layers and its downsampler (but the
    last's). They are taken up from the end, one a layer, `layers` + 1 a level.
    """
    pairs = list(zip(old, new, strict=True))
    skips = [pairs[0]]
    for level, pair in enumerate(pairs):
        skips += [pair] * (layers + (level < len(pairs) - 1))
    hidden, found = pairs[-1], {}
    for block, pair in enumerate(reversed(pairs)):
        for layer in range(layers + 1):
            found[f"up_blocks.{block}.resnets.{layer}"] = [hidden, skips.pop()]
            hidden = pair
    return found


def _widened(name: str, old: Tensor, shape: torch.Size, parts: dict[str, Parts], generator: torch.Generator) -> Tensor:
    """`old`, a parameter of this name, in `shape`."""
    module, _, _ = name.rpartition(".")
    resnet, _, layer = module.rpartition(".")
    joined = parts.get(resnet)
    if joined and layer == "norm1":
        return old[_originals(joined)]
    result = old
    if shape[0] != old.shape[0]:
        result = result[_originals([(old.shape[0], shape[0])])]
    if name == "time_embedding.linear_1.weight":
        return _on_old_frequencies(result, shape[1])
    if old.dim() > 1 and shape[1] != old.shape[1]:
        takes_skip = layer in ("conv1", "conv_shortcut")
        inputs = joined if joined and takes_skip else [(old.shape[1], shape[1])]
        result = _shared(result, inputs, generator)
    if name.endswith("to_q.weight"):  # a head's products are sums over more channels now, and divided by √channels
        repeats = _repeats([(old.shape[0], shape[0])])
        result = result / repeats[:, None] * (shape[0] / old.shape[0]) ** 0.5
    return result


def _originals(parts: Parts) -> Tensor:
    """The index of the original of each channel after widening, (sum of the new widths,)."""
    start, indices = 0, []
    for old, new in parts:
        indices.append(start + torch.arange(new) * old // new)
        start += old
    return torch.cat(indices)


def _repeats(parts: Parts) -> Tensor:
    """How often each channel's original is there after widening, (sum of the new widths,)."""
    index = _originals(parts)
    return torch.bincount(index)[index]


def _shared(weight: Tensor, parts: Parts, generator: torch.Generator) -> Tensor:
    """`weight` (O, I, …) over widened inputs: an original's repeats add up to what it had."""
    index = _originals(parts)
    shares = 1 + UNEVEN * (2 * torch.rand(weight.shape[0], len(index), generator=generator) - 1)
    totals = torch.zeros(weight.shape[:2]).index_add_(1, index, shares)
    shares = shares / totals[:, index]
    return weight[:, index] * shares.view(*shares.shape, *[1] * (weight.dim() - 2)).to(weight.dtype)


def _on_old_frequencies(weight: Tensor, inputs: int) -> Tensor:
    """The time embedding's first weights (O, I) over `inputs` sinusoids, cosines then sines: 10⁻⁸ᵏᐟⁱⁿᵖᵘᵗˢ each.

    An old frequency goes to the nearest one; with a whole factor it is among the new ones.
    """
    nearest = torch.round(torch.arange(weight.shape[1]) * (inputs / weight.shape[1])).long()
    wide = torch.zeros(weight.shape[0], inputs, dtype=weight.dtype)
    wide[:, nearest] = weight
    return wide
