"""Captions that say where a photo was taken: which places there are, which one is chosen, what training reads."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from safetensors.numpy import save_file
from transformers import CLIPTextModel, CLIPTokenizer

from device_runtime import Engine, Session
from device_runtime.errors import CancelledError, CorruptError
from server_distill.default_model.objects import read_catalogue
from server_distill.default_model.personalization_scores import PHOTO_PLACES, subject_photos
from server_distill.default_model.scenes import place_words
from tests.runtime_helpers import SessionBatches, copy_bundle, new_session, photo, read_safetensors, settings

PLACES = ("on grass", "in the snow", "on a beach", "on a table", "in the forest", "at night")
"""Those of the tiny bundle's prior captions (sd_shaped.save_prior_pack)."""
PLACE_NOISE = 8
"""The core's random stream of the noise that places are tried on."""
TIMESTEPS = (500, 699, 898)


@pytest.fixture(scope="module")
def engine(tiny_bundle):
    with Engine(tiny_bundle.bundle, threads=1) as engine:
        yield engine


def named_places(journal: Path) -> list[str]:
    return json.loads(read_safetensors(journal / "views.safetensors")[1]["places"])


def learn(engine: Engine, journal: Path, photos: list[np.ndarray], **changes: object) -> list[str]:
    """A session on `photos`; the places it named."""
    with Session.create(engine, settings(engine, caption_places=True, **changes), journal) as session:
        for pixels in photos:
            session.add_photo(pixels)
        session.run()
    return named_places(journal)


def stock_errors(model: Path, testing_library: ctypes.CDLL, photos: list[np.ndarray], seed: int) -> np.ndarray:
    """Squared errors (photos, places) that diffusers' and transformers' modules make on the core's noise."""
    unet = UNet2DConditionModel.from_pretrained(model / "unet").float().eval()
    vae = AutoencoderKL.from_pretrained(model / "vae").float().eval()
    text = CLIPTextModel.from_pretrained(model / "text_encoder").float().eval()
    tokenizer = CLIPTokenizer.from_pretrained(model / "tokenizer")
    schedule = DDPMScheduler.from_pretrained(model / "scheduler")
    captions = [f"a photo of a dog {place}" for place in PLACES]
    errors = np.zeros((len(photos), len(PLACES)))
    with torch.no_grad():
        hidden = text(tokenizer(captions, padding="max_length", return_tensors="pt").input_ids).last_hidden_state
        pixels = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).float() / 127.5 - 1
        latents = vae.encode(pixels).latent_dist.mean * vae.config.scaling_factor
        for i in range(len(photos)):
            for k, t in enumerate(TIMESTEPS):
                noise = torch.empty(1, *latents.shape[1:])
                testing_library.lkt_fill_normal(
                    ctypes.cast(noise.data_ptr(), ctypes.POINTER(ctypes.c_float)),
                    ctypes.c_size_t(noise.numel()),
                    ctypes.c_uint64(seed),
                    PLACE_NOISE,
                    ctypes.c_uint64(i * len(TIMESTEPS) + k),
                )
                at = torch.tensor([t])
                x_t = schedule.add_noise(latents[i : i + 1], noise, at)
                target = schedule.get_velocity(latents[i : i + 1], noise, at)
                output = unet(x_t.expand(len(PLACES), -1, -1, -1), t, hidden).sample
                errors[i] += (output - target).square().sum((1, 2, 3)).numpy()
    return errors


def test_the_place_is_the_one_that_the_model_denoises_best_with(engine, tiny_bundle, testing_library, tmp_path) -> None:
    # pictures of the model's own size: what is encoded is then the photo itself
    photos = [photo(seed, 32, 32) for seed in range(6)]
    errors = stock_errors(tiny_bundle.model, testing_library, photos, seed=3)
    best, second = np.sort(errors, axis=1)[:, :2].T
    assert ((second - best) / best > 1e-5).all()  # float32's noise, summed otherwise, cannot turn the order
    chosen = learn(engine, tmp_path / "j", photos, seed=3, steps=1)
    assert chosen == [PLACES[i] for i in errors.argmin(1)]
    assert len(set(chosen)) > 1


def test_captions_say_the_place_of_their_photo(engine, testing_library, tiny_bundle, tmp_path) -> None:
    photos = [photo(0), photo(1), photo(2)]
    places = learn(engine, tmp_path / "j", photos, views=7, steps=4)
    captions = captions_of(testing_library, tiny_bundle.bundle, tmp_path / "j", steps=100)
    said = [caption.split("<my-dog> dog")[1].strip() for caption in captions if "<my-dog>" in caption]
    assert set(said) == {*places, ""}
    # An eighth of 200 says none, so that prompts without a place are learned, too: four standard deviations
    assert len(said) == 200 and 6 <= said.count("") <= 44
    # Each view's place is its photo's: as often as its photo has views, within four standard deviations
    for place in places:
        share = sum(places[view % 3] == place for view in range(7)) / 7
        assert abs(said.count(place) / (200 - said.count("")) - share) < 0.2


def test_without_the_setting_captions_say_nothing_of_places(engine, testing_library, tiny_bundle, tmp_path) -> None:
    with new_session(engine, tmp_path / "j", steps=1, caption_places=False) as session:
        session.run()
    assert named_places(tmp_path / "j") == ["", ""]
    captions = captions_of(testing_library, tiny_bundle.bundle, tmp_path / "j", steps=6)
    assert all(caption.endswith("<my-dog> dog") for caption in captions if "<my-dog>" in caption)


def captions_of(testing_library: ctypes.CDLL, bundle: Path, journal: Path, steps: int) -> list[str]:
    """Every row's caption in the first `steps` steps."""
    with SessionBatches(testing_library, bundle, journal) as batches:
        return [caption for step in range(steps) for caption in batches.batch(step)["captions"]]


def test_places_that_do_not_fit_the_prompt_are_left_out(engine, tmp_path) -> None:
    room = engine.info["max_prompt_tokens"]
    scale = "a far away photo of a <my-dog> "
    short = next(n for n in range(1, room) if len(engine.tokenize(scale + "dog " * (n + 1) + PLACES[0])) > room)
    for words, expected in ((short, 1), (short + 8, 0)):
        name = " ".join(["dog"] * words)
        try:
            chosen = learn(engine, tmp_path / str(words), [photo(0)], class_name=name, steps=1)
        except ValueError as error:  # so long that no caption fits at all
            assert "shorten it" in str(error) and expected == 0
            continue
        assert bool(chosen[0]) == bool(expected)


def test_a_bundle_without_places_trains_as_before(tiny_bundle, tmp_path) -> None:
    plain = {"dog": {"latents": [0, 1], "captions": ["a photo of a dog", "dog"]}}
    bundle = copy_bundle(tiny_bundle.bundle, tmp_path / "b", **{"prior/classes": plain})
    adapters = []
    with Engine(bundle, threads=1) as engine:
        for places in (True, False):
            with new_session(engine, None, steps=2, caption_places=places) as session:
                session.run()
                session.save_adapter(tmp_path / "a.safetensors")
            adapters.append(read_safetensors(tmp_path / "a.safetensors")[0])
    assert all(np.array_equal(adapters[0][name], adapters[1][name]) for name in adapters[0])


def test_progress_counts_views_and_photos(engine, tmp_path) -> None:
    seen = []
    with new_session(engine, None, views=5, steps=1, caption_places=True) as session:
        session.run(lambda p: seen.append((p.step, p.steps)) if p.phase == "encoding" else None)
    steps = [step for step, _ in seen]
    assert {total for _, total in seen} == {5 + 2}
    assert steps == sorted(steps) and steps[0] == 1 and steps[-1] == 6


def test_cancelled_while_naming_it_begins_again(engine, tmp_path) -> None:
    with new_session(engine, tmp_path / "whole", steps=2, caption_places=True) as session:
        session.run()
    with new_session(engine, tmp_path / "j", steps=2, caption_places=True) as session:
        with pytest.raises(CancelledError):
            session.run(lambda p: p.step > 5)  # five views are encoded: places are being named
        assert not (tmp_path / "j" / "views.safetensors").exists()
        session.run()
    assert (tmp_path / "j" / "state.safetensors").read_bytes() == (
        tmp_path / "whole" / "state.safetensors"
    ).read_bytes()


def test_a_journal_from_before_goes_on_and_a_wrong_one_is_refused(engine, tmp_path) -> None:
    with new_session(engine, tmp_path / "j", steps=1, caption_places=True) as session:
        session.run()
    path = tmp_path / "j" / "views.safetensors"
    tensors, metadata = read_safetensors(path)
    for places, accepted in ((None, True), ('["on grass"]', False), ('["on grass", 3]', False)):
        changed = {key: value for key, value in metadata.items() if key != "places"}
        save_file(tensors, path, changed if places is None else {**changed, "places": places})
        if accepted:
            Session.resume(engine, tmp_path / "j").close()
        else:
            with pytest.raises(CorruptError, match="places"):
                Session.resume(engine, tmp_path / "j")


@pytest.mark.slow
def test_the_default_model_sees_where_its_subjects_stand(default_bundle, tmp_path) -> None:
    """Subjects that it never saw, in the five places that demo and evaluation take photos in."""
    right = total = 0
    with Engine(default_bundle.bundle) as engine:
        for item in read_catalogue("held_out")[::12]:
            journal = tmp_path / item.codepoint
            chosen = learn(engine, journal, subject_photos(item), class_name=item.class_name, steps=1, views=5)
            right += sum(a == place_words(b) for a, b in zip(chosen, PHOTO_PLACES, strict=True))
            total += len(chosen)
    assert total == 20 and right >= 18  # 45 of 45 when it was introduced; chance would be 1
