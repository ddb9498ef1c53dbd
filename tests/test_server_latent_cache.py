"""The cache of latents and text states against the encoders themselves, and against interruptions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from server_distill.data_sets import latent_cache
from server_distill.data_sets.image_dataset import Captioned, Skipped
from server_distill.data_sets.latent_cache import CacheError, LatentCache, LatentCacheWriter, TextEncoder, encode
from server_distill.data_sets.picture_views import Views
from tests.captioned_folders import CAPTIONS, picture
from tests.small_pipelines import small_pipeline

VIEWS = Views(64, center_crop=True, flip=True)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> tuple[AutoencoderKL, TextEncoder]:
    folder = small_pipeline(tmp_path_factory.mktemp("pipeline"))
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    text = TextEncoder(tokenizer, CLIPTextModel.from_pretrained(folder / "text_encoder"))
    return AutoencoderKL.from_pretrained(folder / "vae").eval(), text


def some(count: int, start: int = 0) -> list[Captioned]:
    return [Captioned(i, f"p{i}", picture(i), [CAPTIONS[i % 5], CAPTIONS[(i + 1) % 5]]) for i in range(start, count)]


def test_rows_are_what_the_encoders_say(tmp_path: Path, encoders: tuple[AutoencoderKL, TextEncoder]) -> None:
    """fp16 on disk: 2⁻¹¹ relative, of values of a few units."""
    vae, text = encoders
    writer = LatentCacheWriter(tmp_path, {"data": "a"})
    encode(some(3), writer, vae, text, VIEWS)
    writer.finish(Skipped())
    cache = LatentCache(tmp_path)
    assert len(cache) == 3 and cache.views == 2 and list(cache.names()) == ["p0", "p1", "p2"]
    for row in range(3):
        pixels = VIEWS.of(picture(row), row)
        for view in range(2):
            with torch.no_grad():
                posterior = vae.encode(pixels[view : view + 1]).latent_dist
            mean, log_variance = cache.posterior(row, view)
            assert torch.allclose(mean, posterior.mean[0], atol=5e-3, rtol=1e-3)
            assert torch.allclose(log_variance, posterior.logvar[0], atol=5e-3, rtol=1e-3)
        states = [cache.text(i) for i in cache.captions_of(row)]
        assert torch.allclose(torch.stack(states), text(some(3)[row].captions), atol=5e-3, rtol=1e-3)
    assert torch.allclose(cache.empty, text([""]), atol=5e-3, rtol=1e-3)


def test_each_caption_is_encoded_once(tmp_path: Path, encoders: tuple[AutoencoderKL, TextEncoder]) -> None:
    asked: list[str] = []

    class Counting(TextEncoder):
        def __call__(self, captions: list[str]) -> torch.Tensor:
            asked.extend(captions)
            return super().__call__(captions)

    counting = Counting(encoders[1].tokenizer, encoders[1].encoder)
    encode(some(12), LatentCacheWriter(tmp_path, {}), encoders[0], counting, VIEWS)
    assert sorted(text for text in asked if text) == sorted(CAPTIONS)


def test_an_interrupted_cache_goes_on(
    tmp_path: Path, encoders: tuple[AutoencoderKL, TextEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latent_cache, "SHARD", 3)
    vae, text = encoders
    encode(some(8), LatentCacheWriter(tmp_path / "whole", {}), vae, text, VIEWS)

    def killed():  # type: ignore[no-untyped-def]
        yield from some(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(killed(), LatentCacheWriter(tmp_path / "parts", {}), vae, text, VIEWS)
    writer = LatentCacheWriter(tmp_path / "parts", {})
    assert writer.next_example() == 3 and writer.pictures() == 3
    encode(some(8, start=3), writer, vae, text, VIEWS)
    whole, parts = LatentCache(tmp_path / "whole"), LatentCache(tmp_path / "parts")
    assert list(whole.names()) == list(parts.names())
    for row in range(8):
        assert torch.equal(whole.posterior(row, 1)[0], parts.posterior(row, 1)[0])
        for a, b in zip(whole.captions_of(row), parts.captions_of(row), strict=True):
            assert torch.equal(whole.text(a), parts.text(b))


def test_another_data_set_is_refused_by_what_differs(tmp_path: Path) -> None:
    LatentCacheWriter(tmp_path, {"resolution": 64, "data": "a"})
    with pytest.raises(CacheError, match="resolution 64 ≠ 128"):
        LatentCacheWriter(tmp_path, {"resolution": 128, "data": "a"})


def test_damaged_and_empty_caches_are_named(tmp_path: Path, encoders: tuple[AutoencoderKL, TextEncoder]) -> None:
    with pytest.raises(CacheError, match="holds no latents"):
        LatentCache(tmp_path)
    encode(some(2), LatentCacheWriter(tmp_path, {}), *encoders, VIEWS)
    shard = tmp_path / "latents-00000.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    for opening in (lambda: LatentCache(tmp_path), lambda: LatentCacheWriter(tmp_path, {}).next_example()):
        with pytest.raises(CacheError, match=r"latents-00000.safetensors is damaged"):
            opening()


def test_a_full_disk_leaves_whole_shards(
    tmp_path: Path, encoders: tuple[AutoencoderKL, TextEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    encode(some(2), LatentCacheWriter(tmp_path, {}), *encoders, VIEWS)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(latent_cache, "save_file", full)
    with pytest.raises(CacheError, match="No space left.*make room"):
        encode(some(4, start=2), LatentCacheWriter(tmp_path, {}), *encoders, VIEWS)
    assert len(LatentCache(tmp_path)) == 2


def test_views_are_square_mirrored_and_of_their_seed() -> None:
    wide = Image.fromarray(np.arange(40 * 100 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 100, 3))
    views = Views(32, center_crop=False, flip=True, count=3)
    crops = views.of(wide, 7)
    assert crops.shape == (views.total(), 3, 32, 32) and crops.abs().max() <= 1
    assert torch.equal(crops[3:], crops[:3].flip(-1))
    assert torch.equal(crops, views.of(wide, 7)) and not torch.equal(crops, views.of(wide, 8))
    assert Views(32, True, False).of(wide, 1).shape == (1, 3, 32, 32)
    assert Views(64, True, False).of(picture(1, (20, 30)), 1).shape == (1, 3, 64, 64)  # enlarged
