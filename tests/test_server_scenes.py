"""The default model's data: catalogue, backgrounds, compositions, captions, tokenizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import CLIPTokenizer

from server_distill.default_model.backgrounds import COLOURS, PAINTERS, paint
from server_distill.default_model.make_tokenizer import MAX_LENGTH, caption_words, make_tokenizer
from server_distill.default_model.objects import load_cutout, read_catalogue
from server_distill.default_model.personalization_scores import PHOTO_PLACES, prompt_places, subject_photos
from server_distill.default_model.scenes import MIRRORED, Placement, caption, compose, random_scene, random_tint, tinted

HELD_OUT = read_catalogue("held_out")


def test_every_subject_has_a_class_that_training_knows() -> None:
    known = {item.class_name for item in read_catalogue("train")}
    assert len(HELD_OUT) >= 40
    assert [item.name for item in HELD_OUT if item.class_name not in known] == []


def test_names_and_pictures_are_unique() -> None:
    items = read_catalogue()
    assert len({item.name for item in items}) == len({item.codepoint for item in items}) == len(items)


@pytest.mark.parametrize("name", PAINTERS)
def test_backgrounds_are_pictures_and_vary(name: str) -> None:
    first, again, other = (paint(name, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == (128, 128, 3) and first.dtype == np.float32
    assert first.min() >= 0 and first.max() <= 1
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_backgrounds_differ_from_one_another() -> None:
    means = np.stack([paint(name, np.random.default_rng(0)).reshape(64, 2, 64, 2, 3).mean((1, 3)) for name in PAINTERS])
    distance = np.abs(means[:, None] - means[None]).mean((2, 3, 4)) + np.eye(len(means))
    assert distance.min() > 0.03  # 8 levels of 255: the closest two, the sea and the sky, are told apart by eye


def test_composition_covers_what_it_says() -> None:
    cutout = load_cutout(HELD_OUT[0])
    scene = compose(cutout, "grass", Placement(0.8, -1, 0, False), np.random.default_rng(0))
    columns = np.flatnonzero(scene.coverage.max(0) > 0.1)
    rows = np.flatnonzero(scene.coverage.max(1) > 0.1)
    assert columns[0] <= 2
    assert abs(max(np.ptp(columns), np.ptp(rows)) + 1 - 0.8 * 128) <= 4
    mirrored = compose(cutout, "grass", Placement(0.8, 1, 0, True), np.random.default_rng(0))
    assert np.abs(scene.coverage - mirrored.coverage[:, ::-1]).max() < 1e-6


def test_captions_name_the_object_and_the_place() -> None:
    rng = np.random.default_rng(0)
    item = HELD_OUT[0]
    scene = random_scene(load_cutout(item), rng)
    for _ in range(50):
        text = caption(item, scene, rng)
        assert any(word in text for word in (item.name, item.class_name, item.family))
        assert scene.background in text


def test_captions_say_colour_and_mirror_image() -> None:
    rng = np.random.default_rng(0)
    item = HELD_OUT[0]
    mirrored = 0
    for i in range(200):
        tint = list(COLOURS)[i % len(COLOURS)] if i % 2 else None
        scene = random_scene(load_cutout(item), rng, size=32, tint=tint)
        text = caption(item, scene, rng)
        assert ("mirrored" in text) == scene.placement.flip
        assert tint is None or tint in text
        mirrored += scene.placement.flip
    assert 200 * MIRRORED / 4 < mirrored < 200 * MIRRORED * 2  # 20 expected, four standard deviations are 17


def test_a_tint_changes_the_colour_alone() -> None:
    cutout = load_cutout(HELD_OUT[0])
    assert tinted(cutout, None) is cutout
    before, after = np.asarray(cutout), np.asarray(tinted(cutout, "green"))
    assert np.array_equal(before[..., 3], after[..., 3])
    solid = after[after[..., 3] > 200].astype(float)
    assert (solid[:, 1] > solid[:, [0, 2]].max(1)).mean() > 0.95
    light = [(x[..., :3] @ [0.299, 0.587, 0.114])[x[..., 3] > 200] for x in (before, after)]
    assert np.corrcoef(*light)[0, 1] > 0.8


def test_objects_named_for_a_colour_keep_it() -> None:
    rng = np.random.default_rng(0)
    items = {item.name: item for item in read_catalogue()}
    assert all(random_tint(items["green apple"], rng) is None for _ in range(50))
    tints = {random_tint(items["cow"], rng) for _ in range(300)}
    assert tints == {None, *COLOURS}


def test_photos_never_show_what_prompts_ask_for() -> None:
    assert set(prompt_places(8, seed=3)).isdisjoint(PHOTO_PLACES)
    photos = subject_photos(HELD_OUT[0])
    assert len(photos) == 5 and all(photo.shape == (128, 128, 3) for photo in photos)


def test_tokenizer_reads_each_word_as_one_token_and_survives_a_reload(tmp_path: Path) -> None:
    made = make_tokenizer(tmp_path)
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    plain = [word for word in caption_words() if word.isalpha()]
    assert [word for word in plain if len(made(word).input_ids) != 3] == []
    text = "Ein völlig anderer Text: 猫 🐈!"
    assert made(text).input_ids == loaded(text).input_ids
    assert loaded.decode(loaded(text, truncation=False).input_ids, skip_special_tokens=True).replace(
        " ", ""
    ) == text.lower().replace(" ", "")
    assert made.model_max_length == MAX_LENGTH
    worst = max(
        (
            f"a photo of a small mirrored purple {item.name} in front of a brick wall, to the right"
            for item in read_catalogue()
        ),
        key=lambda t: len(made(t, truncation=False).input_ids),
    )
    assert len(made(worst, truncation=False).input_ids) <= MAX_LENGTH
