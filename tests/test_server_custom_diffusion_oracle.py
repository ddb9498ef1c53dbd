"""Personalization computes what a plain loop does, step by step, from batches that depend on their number alone."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from models.adapter import base_weights
from models.adapter_file import read
from models.weights_hash import weights_sha256
from server_distill import custom_diffusion
from server_distill.personalization.batches import CACHED_PHOTOS, Batch, Batches, ViewOptions
from server_distill.personalization.concepts import Example
from server_distill.personalization.pretrained import load_models
from server_distill.training.loop import draw
from tests.personalization_world import (  # noqa: F401
    FACTOR,
    PRIOR,
    PROMPT,
    SIZE,
    TOKEN,
    command,
    figures,
    make_world,
    new_accelerator,
    new_pipeline,
)


class ExplicitAttention:
    """softmax(q·kᵀ/√d)·v with own keys and values; no gradient through those of the first token."""

    def __init__(self, key: Tensor, value: Tensor) -> None:
        self.key, self.value = key, value

    def __call__(
        self,
        attn: torch.nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: None = None,
    ) -> Tensor:
        states, rows = encoder_hidden_states, len(hidden_states)
        key, value = states @ self.key.T, states @ self.value.T
        key, value = (torch.cat([x[:, :1].detach(), x[:, 1:]], 1) for x in (key, value))
        query = attn.to_q(hidden_states)
        query, key, value = (x.reshape(rows, x.shape[1], attn.heads, -1).transpose(1, 2) for x in (query, key, value))
        weights = torch.softmax(query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5, -1)
        return attn.to_out[0]((weights @ value).transpose(1, 2).reshape(hidden_states.shape))


def plain_batches(world: Path, tokenizer: CLIPTokenizer, prior: bool, cache_views: int = 0) -> Batches:
    vae = AutoencoderKL.from_pretrained(world / "model" / "vae").eval()

    @torch.no_grad()
    def encode(pixels: Tensor) -> tuple[Tensor, Tensor]:
        latents = vae.encode(pixels).latent_dist
        return latents.mean * vae.config.scaling_factor, latents.std * vae.config.scaling_factor

    def tokenize(prompt: str) -> Tensor:
        return tokenizer(prompt, padding="max_length", max_length=24, return_tensors="pt").input_ids[0]

    def examples(folder: Path, prompt: str) -> list[Example]:
        return [Example(Image.open(path).convert("RGB"), prompt) for path in sorted(folder.iterdir())]

    return Batches(
        examples(world / "photos", PROMPT),
        examples(world / "class", "cat") if prior else [],
        ViewOptions(SIZE, SIZE // FACTOR, hflip=True),
        tokenize,
        encode,
        batch_size=2,
        num_train_timesteps=1000,
        seed=42,
        cache_views=cache_views,
    )


def plain_loss(
    unet: UNet2DConditionModel, text: CLIPTextModel, schedule: DDPMScheduler, batch: Batch, weight: float
) -> Tensor:
    """As diffusers' script computes it."""
    noisy = schedule.add_noise(batch.latents, batch.noise, batch.timesteps)
    output = unet(noisy, batch.timesteps, text(batch.ids)[0]).sample
    signal_share = schedule.alphas_cumprod[batch.timesteps].reshape(-1, 1, 1, 1)
    wanted = batch.noise
    if schedule.config.prediction_type == "v_prediction":
        wanted = signal_share.sqrt() * batch.noise - (1 - signal_share).sqrt() * batch.latents
    squared = functional.mse_loss(output, wanted, reduction="none")
    photos = (squared[:2] * batch.mask).sum([1, 2, 3]) / batch.mask.sum([1, 2, 3])
    return photos.mean() + (weight * squared[2:].mean() if len(squared) > 2 else 0)


def plain_training(
    world: Path, model: str, prior: bool, steps: int, accumulate: int
) -> tuple[list[float], Tensor, dict]:
    """Losses, the new token's row, and the matrices, of a loop over a whole embedding table with AdamW."""
    unet = UNet2DConditionModel.from_pretrained(world / model / "unet").requires_grad_(False)
    text = CLIPTextModel.from_pretrained(world / model / "text_encoder", dtype=torch.float32)
    text.requires_grad_(False)
    tokenizer = CLIPTokenizer.from_pretrained(world / model / "tokenizer")
    schedule = DDPMScheduler.from_pretrained(world / model / "scheduler")
    tokenizer.add_tokens(TOKEN)
    new = tokenizer.convert_tokens_to_ids(TOKEN)
    text.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    table = text.get_input_embeddings().weight.requires_grad_(True)
    with torch.no_grad():
        table[new] = table[tokenizer.encode("cat", add_special_tokens=False)[0]]
    original = table.detach().clone()
    matrices = {name: weight.clone().requires_grad_(True) for name, weight in base_weights(unet).items()}
    processors = dict(unet.attn_processors)
    for name in processors:
        layer = name.removesuffix(".processor")
        if layer.endswith("attn2"):
            processors[name] = ExplicitAttention(matrices[f"{layer}.to_k.weight"], matrices[f"{layer}.to_v.weight"])
    unet.set_attn_processor(processors)
    parameters = [table, *matrices.values()]
    rate = 1e-3 * 2 * accumulate * (2 if prior else 1)  # --scale_lr
    optimizer = torch.optim.AdamW(parameters, rate, (0.9, 0.999), 1e-8, 1e-2)
    batches, losses = plain_batches(world, tokenizer, prior), []
    for step in range(steps):
        parts = [
            plain_loss(unet, text, schedule, batches.batch(step * accumulate + part), 0.7) for part in range(accumulate)
        ]
        (sum(parts) / accumulate).backward()
        assert table.grad is not None
        others = torch.arange(len(tokenizer)) != new
        table.grad[others] = 0
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            table[others] = original[others]  # weight decay shrinks rows that nothing taught; the program's does not
        losses.append(sum(part.item() for part in parts) / accumulate)
    return losses, table[new].detach(), {name: matrix.detach() for name, matrix in matrices.items()}


@pytest.mark.parametrize(
    ("model", "prior", "accumulate"), [("epsilon", True, 1), ("model", True, 2), ("model", False, 1)]
)
def test_a_plain_loop_computes_the_same(world: Path, tmp_path: Path, model: str, prior: bool, accumulate: int) -> None:
    """fp32 sums in another order differ by 1e-6 of their size; AdamW divides by each gradient's own size, so three
    steps of rate r may differ by a small share of r.
    """
    more = [*PRIOR, "--prior_loss_weight=0.7"] if prior else []
    more += ["--scale_lr", f"--gradient_accumulation_steps={accumulate}"]
    assert custom_diffusion.main(command(world, tmp_path, *more, model=model)) == 0
    losses, row, matrices = plain_training(world, model, prior, 3, accumulate)
    assert [line["loss"] for line in figures(tmp_path)] == pytest.approx(losses, rel=1e-4)
    adapter = read(tmp_path / "adapter.safetensors")
    rate = 1e-3 * 2 * accumulate * (2 if prior else 1)
    assert adapter.modifier_embeddings is not None and adapter.modifier_tokens == [TOKEN]
    torch.testing.assert_close(adapter.modifier_embeddings[0], row, rtol=0, atol=0.05 * rate)
    unet = UNet2DConditionModel.from_pretrained(world / model / "unet")
    changes, differences = [], []
    for name, base in base_weights(unet).items():
        changes.append((adapter.tensors[name] - base).flatten())
        differences.append((adapter.tensors[name] - matrices[name]).flatten())
    change, difference = torch.cat(changes), torch.cat(differences)
    assert change.abs().mean() > 0.3 * rate
    assert difference.abs().mean() < 0.01 * rate and difference.abs().max() < 0.5 * rate


def test_a_batch_depends_on_its_number_alone(world: Path) -> None:
    """And an epoch has every example once, each epoch in an order of its own."""
    tokenizer = CLIPTokenizer.from_pretrained(world / "model" / "tokenizer")
    tokenizer.add_tokens(TOKEN)
    batches = plain_batches(world, tokenizer, prior=True)
    first = batches.batch(7)
    for _ in range(2):
        batches.batch(3)
        again = batches.batch(7)
        for name in ("latents", "noise", "timesteps", "ids", "mask"):
            assert torch.equal(getattr(first, name), getattr(again, name))
    assert first.latents.shape == (4, 4, 16, 16) and first.mask.shape == (2, 1, 16, 16)
    seen = [batches._example(position) for position in range(3 * len(batches))]
    assert all(sorted(seen[i : i + 5]) == list(range(5)) for i in range(0, 15, 5))
    assert seen[:5] != seen[5:10] or seen[5:10] != seen[10:]


def test_the_base_hash_is_that_of_the_plain_model(world: Path) -> None:
    args = argparse.Namespace(
        pretrained_model_name_or_path=str(world / "model"),
        **dict.fromkeys(("revision", "variant", "cache_dir", "tokenizer_name")),
    )
    pipeline = new_pipeline(world / "model")
    parts = {"vae": pipeline.vae, "text_encoder": pipeline.text_encoder, "unet": pipeline.unet}
    assert load_models(args).sha256() == weights_sha256(parts)


def test_cached_views_are_views(world: Path) -> None:
    """A cached view is the encoding of one; batches take all of them, and the image encoder is let go."""
    tokenizer = CLIPTokenizer.from_pretrained(world / "model" / "tokenizer")
    tokenizer.add_tokens(TOKEN)
    batches, fresh = (plain_batches(world, tokenizer, prior=True, cache_views=views) for views in (2, 0))
    assert batches.encode is None and batches.cached is not None and fresh.encode is not None
    cached = batches.cached[0]
    assert len(cached) == 2 * 3
    for i in range(3):
        views = [fresh.views.of_photo(fresh.photos[i], draw(42, 2 * i + v, CACHED_PHOTOS)) for v in range(2)]
        mean, _ = fresh.encode(torch.stack([view.pixels for view in views]))
        for v, view in enumerate(views):
            assert torch.equal(cached[2 * i + v].mean, mean[v]) and torch.equal(cached[2 * i + v].mask, view.mask)
    masks = {tuple(mask.flatten().tolist()) for step in range(40) for mask in batches.batch(step).mask}
    assert masks == {tuple(row.mask.flatten().tolist()) for row in cached}
