"""Give the text encoder a start better than noise: read a caption, paint a thumbnail of what it names.

A small reader looks at the text states through cross-attention from a grid of places, as the UNet will, and must say
there what the picture shows: the object in a middle place, mirrored and in the colour that the caption names. The
states after the last word also tell the background, the object's size and side, and its Lite2 features. No picture is
rendered at each step and no UNet runs, so minutes suffice. Afterwards a caption's states *hold* the look of its
object, so that the UNet has one thing to learn for all objects — to put what the text says where the noise suggests —
instead of each object by heart. CLIP's text encoder owes its use to the same kind of training (Radford et al. 2021),
with far more data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from tqdm import tqdm
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from server_distill.default_model.backgrounds import COLOURS, PAINTERS
from server_distill.default_model.objects import load_cutout, read_catalogue
from server_distill.default_model.scenes import (
    Placement,
    Scene,
    as_pixels,
    caption,
    compose,
    random_placement,
    random_tint,
    tinted,
)
from server_distill.evaluation.image_features import pooled_features

COMPONENTS = 48
GRID = 8
"""Places a side from which the reader looks; each paints 2×2 latents."""
_MIDDLE = Placement(0.85, 0.0, 0.0, False)
_NO_PIXELS = np.empty(0, np.uint8)
_TINTS = [None, *COLOURS]


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


@torch.no_grad()
def object_targets(cache: Path, vae: AutoencoderKL) -> dict[str, torch.Tensor]:
    """What the training objects look like; kept in `cache`.

    features (objects, 48): whitened principal components of Lite2 features on a white background.
    thumbnails (objects, tints, 5, 16, 16): latents on gray, in units of their standard deviation, and coverage in
    0…1. Tint 0 is the object's own colour.
    """
    if cache.exists():
        return torch.load(cache)
    rng = np.random.default_rng(0)
    cutouts = [load_cutout(item) for item in read_catalogue("train")]
    features = pooled_features(np.stack([compose(c, "a white background", _MIDDLE, rng).pixels for c in cutouts]))
    centred = features - features.mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    reduced = centred @ directions[:COMPONENTS].T
    thumbnails = []
    for cutout in tqdm(cutouts, desc="thumbnails", unit=" objects"):
        scenes = [compose(tinted(cutout, tint), "a gray background", _MIDDLE, rng) for tint in _TINTS]
        pixels = as_pixels(np.stack([s.pixels for s in scenes]))
        coverage = F.avg_pool2d(torch.from_numpy(np.stack([s.coverage for s in scenes]))[:, None], 8)
        thumbnails.append(torch.cat([vae.encode(pixels).latent_dist.mean, coverage], dim=1))
    looks = torch.stack(thumbnails)
    looks[:, :, :4] /= looks[:, :, :4].std()
    targets = {"features": reduced / reduced[:, 0].std(), "thumbnails": looks}
    cache.parent.mkdir(parents=True, exist_ok=True)
    torch.save(targets, cache)
    return targets


class ThumbnailReader(torch.nn.Module):
    """Text states (B, n, d) → what a grid of places shows (B, 5, 16, 16), through one cross-attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.places = torch.nn.Parameter(torch.randn(GRID * GRID, width) * 0.5)
        self.attention = torch.nn.MultiheadAttention(width, 4, batch_first=True)
        self.paint = torch.nn.Sequential(
            torch.nn.LayerNorm(width),
            torch.nn.Linear(width, 4 * width),
            torch.nn.GELU(),
            torch.nn.Linear(4 * width, 20),
        )

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        places = self.places.expand(len(states), -1, -1)
        seen, _ = self.attention(places, states, states, need_weights=False)
        cells = self.paint(places + seen).transpose(1, 2).unflatten(2, (GRID, GRID))
        return F.pixel_shuffle(cells, 2)


def thumbnail_loss(painted: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Squared error of coverage everywhere, and of latents where the object is; both (B, 5, h, w)."""
    coverage = wanted[:, 4:]
    latents = (coverage * (painted[:, :4] - wanted[:, :4]).square()).sum() / (4 * coverage.sum())
    return latents + 4 * F.mse_loss(painted[:, 4:], coverage)


def pretrain_text(
    model: CLIPTextModel, tokenizer: CLIPTokenizer, targets: dict[str, torch.Tensor], steps: int, seed: int
) -> float:
    """Train `model` in place for `steps` batches of 64 captions; returns the mean loss of the last tenth."""
    items, backgrounds = read_catalogue("train"), list(PAINTERS)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    width = model.config.hidden_size
    head, reader = torch.nn.Linear(width, COMPONENTS + len(backgrounds) + 2), ThumbnailReader(width)
    parameters = [*model.parameters(), *head.parameters(), *reader.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01)
    losses, shown = [], []
    progress = tqdm(range(steps), desc="text encoder", unit=" steps", mininterval=2)
    for step in progress:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 200) * (1 - step / steps)
        rows = rng.integers(len(items), size=64)
        tints = [random_tint(items[row], rng) for row in rows]
        scenes = [
            Scene(_NO_PIXELS, _NO_PIXELS, str(rng.choice(backgrounds)), random_placement(rng), tint) for tint in tints
        ]
        texts = [caption(items[row], scene, rng) for row, scene in zip(rows, scenes, strict=True)]
        ids = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        states = model(ids).last_hidden_state
        end = (ids == tokenizer.eos_token_id).int().argmax(1)
        pooled = states[torch.arange(len(ids)), end]
        features, place, layout = head(pooled).split([COMPONENTS, len(backgrounds), 2], dim=1)
        wanted = targets["thumbnails"][rows, [_TINTS.index(tint) for tint in tints]]
        mirrored = torch.tensor([s.placement.flip for s in scenes])[:, None, None, None]
        thumbnails = thumbnail_loss(reader(states), torch.where(mirrored, wanted.flip(-1), wanted))
        known = torch.tensor([[s.placement.size, s.placement.x * (1 - s.placement.size)] for s in scenes])
        named = torch.tensor([backgrounds.index(s.background) for s in scenes])
        loss = (
            2 * thumbnails
            + F.mse_loss(features, targets["features"][rows])
            + 0.3 * F.cross_entropy(place, named)
            + F.mse_loss(layout, known.float())
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
        shown.append(thumbnails.item())
        if step % 50 == 49:
            progress.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}", thumbnails=f"{np.mean(shown[-50:]):.3f}")
    return float(np.mean(losses[-max(1, steps // 10) :]))
