"""How different two pictures are to a network that recognizes things, in its last features, at the size it is used at.

`perceptual_loss.py` compares early features, so edges, textures and colours, at the picture's own size. What makes a
thing this thing and no other is decided later: here the pictures are enlarged as a recognizer wants them, and compared
in what its last blocks, and in the end its pooled features, say. The size changes from step to step: whatever fools one
only is not learned. It is a loss for pictures that are nearly right already, beside others: alone it would paint noise
that means something to a network.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from server_distill.default_model.perceptual_loss import block_outputs, features_distance, unit_length
from server_distill.evaluation.image_features import network

LAYERS = (10, 15)
"""Blocks of Lite0 whose outputs are compared: 1/16 and 1/32 of the picture's side, the last block among them."""
SIDES = (192, 224, 256)
"""Pixels to which pictures are enlarged, by turns; Lite0 was trained at 224."""


def recognition_features(pictures: Tensor, side: int) -> list[Tensor]:
    """What `LAYERS` and the pooled head say of pictures (B, 3, H, W) in −1…1, each of unit length over channels."""
    pixels = F.interpolate((pictures + 1) / 2, size=(side, side), mode="bicubic", align_corners=False)
    features, model = block_outputs(pixels, LAYERS), network("lite0")
    pooled = model._swish(model._bn1(model._conv_head(features[-1]))).mean((2, 3), keepdim=True)
    return unit_length([*features, pooled])


def recognition_loss(painted: Tensor, wanted: Tensor, step: int) -> Tensor:
    """Squared distance of pictures (B, 3, H, W) in −1…1, mean over batch and places, summed over features, at the size
    that is `step`'s turn; differentiable in `painted`.
    """
    side = SIDES[step % len(SIDES)]
    with torch.no_grad():
        targets = recognition_features(wanted, side)
    return features_distance(recognition_features(painted, side), targets)
