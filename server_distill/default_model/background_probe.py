"""Which background a picture has: a linear classifier of its border."""

from __future__ import annotations

import numpy as np
import torch

from server_distill.default_model.backgrounds import PAINTERS
from server_distill.default_model.scenes import Placement, compose


def border_cells(pictures: np.ndarray) -> torch.Tensor:
    """Mean and spread of colour in the border cells of an 8×8 grid: float32 (N, 28·6)."""
    n, side = len(pictures), pictures.shape[1] // 8
    cells = pictures.reshape(n, 8, side, 8, side, 3).astype(np.float32) / 255
    both = np.concatenate([cells.mean((2, 4)), cells.std((2, 4)) * 4], axis=-1)
    edge = np.ones((8, 8), bool)
    edge[1:-1, 1:-1] = False
    return torch.from_numpy(both[:, edge].reshape(n, -1))


class BackgroundProbe:
    """A linear classifier of backgrounds, fitted on real compositions."""

    def __init__(self, cutouts: list, per_background: int = 60) -> None:
        rng = np.random.default_rng(5)
        self.names = list(PAINTERS)
        places = [
            Placement(float(rng.uniform(0.55, 0.95)), float(rng.uniform(-1, 1)), float(rng.uniform(-1, 1)), False)
            for _ in range(per_background)
        ]
        pictures = [
            compose(cutouts[int(rng.integers(len(cutouts)))], name, place, rng).pixels
            for name in self.names
            for place in places
        ]
        labels = torch.arange(len(self.names)).repeat_interleave(per_background)
        inputs = border_cells(np.stack(pictures))
        self.mean, self.deviation = inputs.mean(0), inputs.std(0) + 0.05
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(inputs.shape[1], len(self.names))
        optimizer = torch.optim.AdamW(self.layer.parameters(), lr=0.02, weight_decay=0.1)
        for _ in range(300):
            loss = torch.nn.functional.cross_entropy(self.layer((inputs - self.mean) / self.deviation), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    @torch.no_grad()
    def accuracy(self, pictures: np.ndarray, backgrounds: list[str]) -> float:
        """Share of pictures whose background is named rightly."""
        guesses = self.layer((border_cells(pictures) - self.mean) / self.deviation).argmax(1)
        wanted = torch.tensor([self.names.index(name) for name in backgrounds])
        return float((guesses == wanted).float().mean())
