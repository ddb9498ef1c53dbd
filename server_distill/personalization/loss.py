"""Custom Diffusion's loss: the photos' where they fill the view, plus the class images' (Kumari et al. 2023, 3.2)."""

from __future__ import annotations

from torch import Tensor


def masked_mse(output: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """Mean over rows of each row's squared error (B, 4, h, w), summed where `mask` (B, 1, h, w) is 1, over the mask's
    cells: four times the mean over channels, as the field has it.
    """
    squared = (output.float() - wanted.float()).square()
    return ((squared * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3))).mean()


def personalization_losses(output: Tensor, wanted: Tensor, mask: Tensor, prior_loss_weight: float) -> dict[str, Tensor]:
    """`loss`, and its parts. The first rows, as many as `mask` has, are photos, any others class images."""
    photos = len(mask)
    instance = masked_mse(output[:photos], wanted[:photos], mask)
    if len(output) == photos:
        return {"loss": instance}
    prior = (output[photos:].float() - wanted[photos:].float()).square().mean()
    return {
        "loss": instance + prior_loss_weight * prior,
        "instance_loss": instance.detach(),
        "prior_loss": prior.detach(),
    }
