"""What a recognizer says of two pictures: zero for one picture, in every turn's size, and something to learn from."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from server_distill.default_model.recognition_loss import SIDES, recognition_features, recognition_loss
from server_distill.evaluation.image_features import pooled_features


@pytest.fixture
def pictures() -> torch.Tensor:
    """Two smooth ones (2, 3, 64, 64) in −1…1."""
    coarse = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return F.interpolate(coarse, size=64, mode="bicubic").clamp(-1, 1)


def test_a_picture_is_like_itself_and_unlike_another(pictures: torch.Tensor) -> None:
    for turn in range(len(SIDES)):
        assert recognition_loss(pictures, pictures, turn).item() == 0
        assert recognition_loss(pictures, pictures.flip(0), turn).item() > 0.1
    assert recognition_loss(pictures, pictures.flip(0), 0) != recognition_loss(pictures, pictures.flip(0), 1)


def test_the_last_features_are_the_pooled_ones_that_scores_use(pictures: torch.Tensor) -> None:
    levels = ((pictures + 1) * 127.5).round()
    scored = pooled_features(levels.byte().permute(0, 2, 3, 1).numpy(), "lite0")
    ours = recognition_features(levels / 127.5 - 1, side=224)[-1].flatten(1)
    # Scores clamp what bicubic enlargement overshoots, so the two differ a little; other pictures' are far away.
    cosines = ours @ F.normalize(scored, dim=1).T
    assert (cosines.diagonal() > 0.98).all()
    assert cosines[0, 1] < 0.95 and cosines[1, 0] < 0.95


def test_it_teaches(pictures: torch.Tensor) -> None:
    noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1))
    painted = (pictures + 0.2 * noise).requires_grad_()
    optimizer, values = torch.optim.Adam([painted], lr=0.01), []
    for step in range(3 * len(SIDES)):
        optimizer.zero_grad()
        value = recognition_loss(painted, pictures, step)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.8 * values[0]
