"""What a painted picture lacks of the real one: errors of pixels, distances of features, and what a critic says."""

from __future__ import annotations

import argparse

import torch
from accelerate import Accelerator
from torch import Tensor

from server_distill.default_model.critic import AdversarialLoss
from server_distill.default_model.perceptual_loss import features_distance, layer_features
from server_distill.default_model.recognition_loss import recognition_loss

CRITIC_WARMUP = 200
"""Steps over which the critic's say grows: a new one knows nothing yet."""


class PaintingLoss:
    """The loss of one batch of pictures; its critic, if it has one, learns with every call."""

    def __init__(
        self, accelerator: Accelerator, perceptual_weight: float, critic_weight: float, recognition_weight: float = 0.0
    ) -> None:
        self.perceptual_weight, self.recognition_weight = perceptual_weight, recognition_weight
        self.adversarial = AdversarialLoss(accelerator, critic_weight, CRITIC_WARMUP) if critic_weight else None

    def __call__(self, painted: Tensor, pixels: Tensor, weight: Tensor, step: int) -> dict[str, Tensor]:
        """`square`, `absolute`, `perceptual`, `recognition` unless its weight is 0, their weighted sum `loss`, with
        a critic also `adversarial`, and `critic`, the critic's own loss. Pictures float32 (B, 3, H, W) in −1…1, weight
        (B, 1, H, W) of mean 1.
        """
        named = {
            "square": (weight * (painted - pixels).square()).mean(),
            "absolute": (weight * (painted - pixels).abs()).mean(),
        }
        with torch.no_grad():
            targets = layer_features(pixels)
        features = layer_features(painted)  # in float32: bf16 is no faster where each channel is convolved alone
        named["perceptual"] = features_distance(features, targets)
        loss = named["square"] + 0.1 * named["absolute"] + self.perceptual_weight * named["perceptual"]
        if self.recognition_weight:
            named["recognition"] = recognition_loss(painted, pixels, step)
            loss = loss + self.recognition_weight * named["recognition"]
        if self.adversarial is not None:
            loss, said = self.adversarial.added_to(loss, painted, features, pixels, targets, step)
            named |= said
        return {"loss": loss, **named}


def add_painting_options(group: argparse._ArgumentGroup) -> None:
    """`--perceptual_weight`, `--recognition_weight` and `--critic_weight`."""
    group.add_argument("--perceptual_weight", type=float, default=0.03, help="of perceptual_loss.py")
    group.add_argument("--recognition_weight", type=float, default=0.03, help="of recognition_loss.py; 0: without")
    group.add_argument(
        "--critic_weight", type=float, default=0.5, help="of critic.py's gradient, over that of all else; 0: no critic"
    )
