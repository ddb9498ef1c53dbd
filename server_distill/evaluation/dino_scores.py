"""DINO (Caron et al. 2021) or DINOv2 (Oquab et al. 2023) from a local transformers folder: features of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoImageProcessor, AutoModel

from server_distill.evaluation.error import EvaluationError

KINDS = ("vit", "dinov2", "dinov2_with_registers", "dinov3_vit")
"""transformers' model types whose first token is the class token. DINO itself is saved as an ordinary ViT."""


class Dino:
    """The network and its own preprocessing. Raises EvaluationError for a folder that holds none, or not all of it."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        try:
            model, info = AutoModel.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
            self.processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            raise EvaluationError(f"--dino: {folder} holds no model that can be loaded ({error})") from error
        self.kind: str = model.config.model_type
        if self.kind not in KINDS:
            raise EvaluationError(f"--dino: {folder} holds a {self.kind}, none of {', '.join(KINDS)}")
        # DINO's checkpoint has no pooler; its random numbers are never used.
        lacking = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
        if lacking:
            raise EvaluationError(f"--dino: {folder} lacks weights: {lacking[:3]}")
        self.model, self.device = model.eval().to(device), device

    @torch.no_grad()
    def pictures(self, pictures: list[np.ndarray]) -> Tensor:
        """The class token after the last norm (N, D) of uint8 pictures (H, W, 3), not normalized."""
        inputs = self.processor([Image.fromarray(one) for one in pictures], return_tensors="pt")
        output = self.model(pixel_values=inputs["pixel_values"].to(self.device))
        return output.last_hidden_state[:, 0].float().cpu()
