"""Which objects are drawn recognizably, and how often training then sees each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer

from server_distill.default_model import hard_objects, object_frequency
from server_distill.default_model.latent_examples import LatentExamples
from server_distill.default_model.objects import PictureObject, load_cutout, read_catalogue
from server_distill.default_model.scenes import random_scene


@pytest.fixture()
def known(monkeypatch: pytest.MonkeyPatch) -> list[PictureObject]:
    """Twenty held-out objects, whose pictures come with the repository, as if they were trained on."""
    items = read_catalogue("held_out")[:20]
    for module in (hard_objects, object_frequency):
        monkeypatch.setattr(module, "read_catalogue", lambda split=None: items)
    return items


def test_real_pictures_are_recognized_and_others_are_not(
    known: list[PictureObject], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A "pipeline" that paints the prompted object, but for the first ten, whom it takes for the one ten further."""
    rng = np.random.default_rng(0)

    def draw(_: object, prompts: list[str], *__: object) -> np.ndarray:
        assert all(known[i // 2].name in text for i, text in enumerate(prompts))
        shown = [known[i // 2 + 10 if i < 20 else i // 2] for i in range(len(prompts))]
        return np.stack([random_scene(load_cutout(item), rng).pixels for item in shown])

    monkeypatch.setattr(hard_objects, "load_pipeline", lambda _: None)
    monkeypatch.setattr(hard_objects, "draw", draw)
    shares = hard_objects.recognized(Path("model"), pictures=2, steps=1, guidance_scale=1.0)
    assert list(shares) == [item.codepoint for item in known]
    values = list(shares.values())
    # five of twenty are "nearest" by chance alone, so a wrong picture counts now and then
    assert np.mean(values[10:]) > 0.9 and np.mean(values[:10]) < 0.6


def test_what_is_never_recognized_is_seen_most(tmp_path: Path, known: list[PictureObject]) -> None:
    path = tmp_path / "hard.json"
    path.write_text(json.dumps({item.codepoint: (i % 3) / 2 for i, item in enumerate(known)}))
    assert object_frequency.how_often(path)[:4].tolist() == [3, 2, 1, 3]


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"1f415": "often"}'])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str | None, known: list[PictureObject]) -> None:
    path = tmp_path / "hard.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(OSError, match=r"hard\.json .* `make hard-objects`"):
        object_frequency.how_often(path)


def test_examples_are_drawn_as_often(tmp_path: Path) -> None:
    tokenizer = CLIPTokenizer.from_pretrained("models/default/teacher/tokenizer")
    rows = 6
    cache = {
        "latents": torch.arange(rows).half()[:, None, None, None].expand(rows, 4, 2, 2).clone(),
        "coverage": torch.zeros(rows, 2, 2, dtype=torch.uint8),
        "tokens": torch.zeros(rows, 3, tokenizer.model_max_length, dtype=torch.int16),
        "objects": torch.tensor([0, 1, 0, 1, 0, 1], dtype=torch.int16),
        "scaling_factor": 1.0,
    }
    torch.save(cache, tmp_path / "latents.pt")
    examples = LatentExamples(tmp_path / "latents.pt", tokenizer, 3, object_frequency=torch.tensor([1.0, 3.0]))
    drawn = examples.batch(5, 4000).latents[:, 0, 0, 0].long()
    # 4,000 draws: four standard deviations are 0.027
    assert (drawn % 2 == 1).float().mean().item() == pytest.approx(0.75, abs=0.03)
    assert len(drawn.unique()) == rows
    assert torch.equal(examples.batch(5, 4000).latents, examples.batch(5, 4000).latents)
