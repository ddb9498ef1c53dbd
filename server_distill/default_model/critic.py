"""A critic that tells painted pictures from real ones, so that a decoder decides on details instead of averaging them.

Latents leave details open, and what is nearest to all that they may be, in pixels as in features, is a blur. A critic
(Goodfellow et al. 2014) asks instead that a picture be one of the possible ones. It sees an ImageNet network's features
beside the pixels, since on those few steps suffice (Sauer et al. 2021, "Projected GANs converge faster", section 3),
and judges every patch for itself (Isola et al. 2017, section 2.2.2).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from server_distill.default_model.perceptual_loss import CHANNELS

WIDTH = 64
LEARNING_RATE = 4e-4
BETAS = (0.0, 0.99)
"""Of Adam: no momentum, since what the critic should look at changes with every step of the decoder."""


class Critic(nn.Module):
    """Pictures (B, 3, H, W) in −1…1 and their `layer_features` → a score of every patch (B, N): positive looks real."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels = nn.Sequential(
            _halving(3, WIDTH // 2, normalized=False), _halving(WIDTH // 2, WIDTH), *_head(WIDTH)
        )
        self.heads = nn.ModuleList(nn.Sequential(*_head(channels)) for channels in CHANNELS)

    def forward(self, pictures: Tensor, features: list[Tensor]) -> Tensor:
        inputs = [pictures, *(layer * layer.shape[1] ** 0.5 for layer in features)]  # unit length to unit deviation
        scores = [head(x).flatten(1) for head, x in zip([self.pixels, *self.heads], inputs, strict=True)]
        return torch.cat(scores, dim=1)


def _head(channels: int) -> list[nn.Module]:
    return [_halving(channels, WIDTH), nn.Conv2d(WIDTH, 1, 3, padding=1)]


def _halving(channels: int, width: int, normalized: bool = True) -> nn.Sequential:
    convolution = nn.Conv2d(channels, width, 4, stride=2, padding=1)
    return nn.Sequential(convolution, nn.GroupNorm(1, width) if normalized else nn.Identity(), nn.LeakyReLU(0.2))


class AdversarialLoss:
    """A critic with an optimizer of its own, which learns as it judges."""

    def __init__(self, accelerator: Accelerator, weight: float = 1.0, warmup: int = 1) -> None:
        """`weight` of its gradient over that of what it is added to, after `warmup` steps in which its say grows."""
        self.weight, self.warmup = weight, warmup
        critic = Critic().to(accelerator.device)
        optimizer = torch.optim.Adam(critic.parameters(), LEARNING_RATE, BETAS)
        self.accelerator = accelerator
        self.critic, self.optimizer = accelerator.prepare(critic, optimizer)

    def added_to(
        self, loss: Tensor, painted: Tensor, features: list[Tensor], real: Tensor, targets: list[Tensor], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """`loss`, which weights reach through `painted` alone, with the critic's say; what `learn` and `judge` say."""
        named = {"critic": self.learn(painted, features, real, targets), "adversarial": self.judge(painted, features)}
        share = self.weight * min(1.0, (step + 1) / self.warmup)
        return add_balanced(loss, named["adversarial"], share, painted), named

    def learn(self, painted: Tensor, features: list[Tensor], real: Tensor, targets: list[Tensor]) -> Tensor:
        """One step on pictures and their features; the hinge loss before it (Lim & Ye 2017): 2 knows nothing, 0 all."""
        score_real = self.critic(real, targets)
        score_painted = self.critic(painted.detach(), [layer.detach() for layer in features])
        loss = F.relu(1 - score_real).mean() + F.relu(1 + score_painted).mean()
        self.accelerator.backward(loss)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def judge(self, painted: Tensor, features: list[Tensor]) -> Tensor:
        """Minus the mean score (scalar), differentiable in what is painted; the critic stays as it is."""
        critic = self.accelerator.unwrap_model(self.critic).requires_grad_(False)
        loss = -critic(painted, features).float().mean()
        critic.requires_grad_(True)
        return loss


def add_balanced(term: Tensor, other: Tensor, share: float, at: Tensor) -> Tensor:
    """`term` plus as much of `other` as has a gradient `share` times as long as `term`'s at `at` (Esser et al. 2021,
    section 3.1). Both must depend on what is trained through `at` alone: only from there does the sum lead further
    back, so that nothing between is gone through twice.
    """
    first, second = (torch.autograd.grad(loss, at, retain_graph=True)[0] for loss in (term, other))
    factor = share * first.norm() / second.norm().clamp(min=1e-12)
    towards = (at * (first + factor * second)).sum()
    return (term + factor * other).detach() + towards - towards.detach()
