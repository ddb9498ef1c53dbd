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

from server_distill.evaluation.image_features import network, normalized

LAYERS = (10, 15)
"""Blocks of Lite0 whose outputs are compared: 1/16 and 1/32 of the picture's side, the last block among them."""
SIDES = (192, 224, 256)
"""Pixels to which pictures are enlarged, by turns; Lite0 was trained at 224."""


def recognition_features(pictures: Tensor, side: int) -> list[Tensor]:
    """What `LAYERS` and the pooled head say of pictures (B, 3, H, W) in −1…1, each of unit length over channels."""
    model = network("lite0").to(pictures.device)
    x = F.interpolate((pictures + 1) / 2, size=(side, side), mode="bicubic", align_corners=False)
    x = model._swish(model._bn0(model._conv_stem(normalized(x))))
    features = []
    for index, block in enumerate(model._blocks):
        x = block(x)
        if index in LAYERS:
            features.append(x)
    features.append(model._swish(model._bn1(model._conv_head(x))).mean((2, 3), keepdim=True))
    return [F.normalize(layer, dim=1, eps=1e-6) for layer in features]


def recognition_loss(painted: Tensor, wanted: Tensor, step: int) -> Tensor:
    """Squared distance of pictures (B, 3, H, W) in −1…1, mean over batch and places, summed over features, at the size
    that is `step`'s turn; differentiable in `painted`.
    """
    side = SIDES[step % len(SIDES)]
    with torch.no_grad():
        targets = recognition_features(wanted, side)
    features = recognition_features(painted, side)
    return torch.stack([(a - b).square().sum(1).mean() for a, b in zip(features, targets, strict=True)]).sum()
