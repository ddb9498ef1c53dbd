"""CLIP (Radford et al. 2021) from a local transformers folder: features of pictures and of texts, and CLIPScore."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor
from torch.nn.functional import cosine_similarity
from transformers import AutoConfig, CLIPModel, CLIPProcessor

from server_distill.evaluation.error import EvaluationError

PREFIX = "A photo depicts "
"""What CLIPScore puts before a caption (Hessel et al. 2021, section 3)."""


class Clip:
    """A CLIP model and its own preprocessing. Raises EvaluationError for a folder that holds none, or not all of it."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        try:
            kind = AutoConfig.from_pretrained(folder, local_files_only=True).model_type
            if kind != "clip":
                raise EvaluationError(f"--clip: {folder} holds a {kind}, no CLIP model")
            model, info = CLIPModel.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
            self.processor = CLIPProcessor.from_pretrained(folder, local_files_only=True)
        except EvaluationError:
            raise
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            raise EvaluationError(f"--clip: {folder} holds no CLIP model that can be loaded ({error})") from error
        if info["missing_keys"]:
            # transformers would go on with random numbers in their place.
            raise EvaluationError(f"--clip: {folder} lacks weights: {sorted(info['missing_keys'])[:3]}")
        self.model, self.device = model.eval().to(device), device

    @torch.no_grad()
    def pictures(self, pictures: list[np.ndarray]) -> Tensor:
        """Projected image features (N, D) of uint8 pictures (H, W, 3), not normalized."""
        inputs = self.processor.image_processor([Image.fromarray(one) for one in pictures], return_tensors="pt")
        output = self.model.get_image_features(pixel_values=inputs["pixel_values"].to(self.device))
        return output.pooler_output.float().cpu()

    @torch.no_grad()
    def texts(self, texts: Sequence[str], batch: int = 64) -> Tensor:
        """Projected text features (N, D), not normalized; a text longer than CLIP's context is cut off."""
        rows = []
        length = self.model.config.text_config.max_position_embeddings
        for start in range(0, len(texts), batch):
            part = list(texts[start : start + batch])
            inputs = self.processor.tokenizer(
                part, return_tensors="pt", padding=True, truncation=True, max_length=length
            ).to(self.device)
            output = self.model.get_text_features(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
            )
            rows.append(output.pooler_output.float().cpu())
        return torch.cat(rows)


def clip_t(pictures: Tensor, texts: Tensor) -> Tensor:
    """Cosine of each picture with its own text: (N, D), (N, D) → (N,). Named CLIP-T by Ruiz et al. 2023, section 4."""
    return cosine_similarity(pictures, texts, dim=1)


def clip_score(pictures: Tensor, prefixed_texts: Tensor) -> Tensor:
    """2.5·max(cos, 0) (Hessel et al. 2021, equation 1), the texts with `PREFIX` before them: (N,)."""
    return 2.5 * cosine_similarity(pictures, prefixed_texts, dim=1).clamp_min(0)
