"""Give the text encoder a start better than noise: read a caption, predict what the picture would show.

The targets are the object's Lite2 features (reduced by principal components), the background, the object's relative
size and its horizontal place. No picture is rendered and no UNet runs, so a few minutes suffice; words for things that
look alike end up near each other before the UNet ever sees them. CLIP's text encoder owes its use to the same kind of
training (Radford et al. 2021), with far more data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from server_distill.backgrounds import PAINTERS
from server_distill.image_features import pooled_features
from server_distill.objects import load_cutout, read_catalogue
from server_distill.scenes import Placement, Scene, caption, compose, random_placement

COMPONENTS = 48
_NO_PIXELS = np.empty(0, np.uint8)


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """CLIP's text tower, small: width 128, 3 layers, 4 heads."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=512,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.model_max_length,
            hidden_act="quick_gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            projection_dim=128,
        )
    )


def object_targets(cache: Path) -> torch.Tensor:
    """Whitened principal components of each training object's Lite2 features on a white background: (objects, 48)."""
    if cache.exists():
        return torch.load(cache)
    rng = np.random.default_rng(0)
    middle = Placement(0.85, 0.0, 0.0, False)
    items = read_catalogue("train")
    pictures = [compose(load_cutout(item), "a white background", middle, rng).pixels for item in items]
    features = pooled_features(np.stack(pictures))
    centred = features - features.mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    reduced = centred @ directions[:COMPONENTS].T
    reduced = reduced / reduced[:, 0].std()
    cache.parent.mkdir(parents=True, exist_ok=True)
    torch.save(reduced, cache)
    return reduced


def pretrain_text(
    model: CLIPTextModel, tokenizer: CLIPTokenizer, targets: torch.Tensor, steps: int, seed: int
) -> float:
    """Train `model` in place for `steps` batches of 64 captions; returns the mean loss of the last tenth."""
    items, backgrounds = read_catalogue("train"), list(PAINTERS)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    outputs = targets.shape[1] + len(backgrounds) + 2
    head = torch.nn.Linear(model.config.hidden_size, outputs)
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01)
    losses = []
    progress = tqdm(range(steps), desc="text encoder", unit=" steps")
    for step in progress:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 50) * (1 - step / steps)
        rows = rng.integers(len(items), size=64)
        scenes = [Scene(_NO_PIXELS, _NO_PIXELS, str(rng.choice(backgrounds)), random_placement(rng)) for _ in rows]
        texts = [caption(items[row], scene, rng) for row, scene in zip(rows, scenes, strict=True)]
        ids = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        end = (ids == tokenizer.eos_token_id).int().argmax(1)
        pooled = model(ids).last_hidden_state[torch.arange(len(ids)), end]
        looks, place, layout = head(pooled).split([targets.shape[1], len(backgrounds), 2], dim=1)
        known = torch.tensor([[s.placement.size, s.placement.x * (1 - s.placement.size)] for s in scenes])
        wanted = torch.tensor([backgrounds.index(s.background) for s in scenes])
        loss = F.mse_loss(looks, targets[rows]) * 4 + F.cross_entropy(place, wanted) + F.mse_loss(layout, known.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        progress.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}")
    return float(np.mean(losses[-max(1, steps // 10) :]))
