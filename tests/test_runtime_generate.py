"""Pictures from prompts: against diffusers, and what may and may not change them."""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel

from device_runtime import CancelledError, Engine, InvalidArgumentError, WrongModelError
from tests.runtime_helpers import TOKEN, copy_bundle, new_session, photo

PROMPT = "a photo of a dog in the snow"


@pytest.fixture(scope="module")
def engine(tiny_bundle):
    with Engine(tiny_bundle.bundle, threads=1) as engine:
        yield engine


@pytest.fixture(scope="module")
def adapter_path(engine, tmp_path_factory):
    path = tmp_path_factory.mktemp("adapter") / "a.safetensors"
    with new_session(engine, None, learning_rate=3e-2) as session:
        session.run()
        session.save_adapter(path)
    return path


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b.astype(float)) ** 2))))


def test_equals_diffusers(engine, tiny_bundle, testing_library):
    """The same latents through diffusers' UNet, DDIM, guidance and decoder."""
    steps, guidance, seed = 6, 3.0, 5
    core = engine.generate(PROMPT, seed=seed, steps=steps, guidance_scale=guidance, sampler="ddim")[0]

    model = tiny_bundle.model
    unet = UNet2DConditionModel.from_pretrained(model / "unet").eval()
    text = CLIPTextModel.from_pretrained(model / "text_encoder").eval()
    vae = AutoencoderKL.from_pretrained(model / "vae").eval()
    scheduler = DDIMScheduler.from_pretrained(model / "scheduler", clip_sample=False, set_alpha_to_one=False)
    scheduler.register_to_config(steps_offset=1)
    scheduler.set_timesteps(steps)
    latents = np.zeros((1, 4, 8, 8), np.float32)
    testing_library.lkt_fill_normal(
        latents.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
        ctypes.c_size_t(latents.size),
        ctypes.c_uint64(seed),
        0,
        ctypes.c_uint64(0),
    )
    bos, eos = 698, 699
    rows = [[bos, *ids, eos] + [eos] * (22 - len(ids)) for ids in (engine.tokenize(""), engine.tokenize(PROMPT))]
    with torch.no_grad():
        hidden = text(torch.tensor(rows)).last_hidden_state
        x = torch.tensor(latents)
        for t in scheduler.timesteps:
            without, with_prompt = unet(torch.cat([x, x]), t, hidden).sample.chunk(2)
            x = scheduler.step(without + guidance * (with_prompt - without), t, x).prev_sample
        picture = vae.decode(x / vae.config.scaling_factor).sample[0]
    expected = ((picture.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    # float32 rounding over six steps, amplified by guidance, then 8 bits.
    assert psnr(core, expected) > 45


def test_equal_seeds_equal_pictures_whatever_their_number(engine):
    one = engine.generate(PROMPT, seed=3, steps=3)
    three = engine.generate(PROMPT, seed=3, steps=3, count=3)
    np.testing.assert_array_equal(one[0], three[0])
    assert three.shape == (3, 32, 32, 3)
    assert not np.array_equal(three[0], three[1])
    assert not np.array_equal(one, engine.generate(PROMPT, seed=4, steps=3))


def test_guidance_and_negative_prompt(engine):
    plain = engine.generate(PROMPT, steps=3, guidance_scale=1.0)
    np.testing.assert_array_equal(plain, engine.generate(PROMPT, steps=3, guidance_scale=1.0, negative_prompt="a cat"))
    guided = engine.generate(PROMPT, steps=3, guidance_scale=4.0)
    assert not np.array_equal(plain, guided)
    assert not np.array_equal(guided, engine.generate(PROMPT, steps=3, guidance_scale=4.0, negative_prompt="a cat"))
    # A guidance of 1 gives the conditional output; computed the long way it is the same up to rounding.
    assert psnr(plain, engine.generate(PROMPT, steps=3, guidance_scale=1.0000001)) > 45


def test_adapter_changes_the_picture_and_its_token_is_known(engine, adapter_path):
    with engine.load_adapter(adapter_path) as adapter:
        assert adapter.info["modifier_tokens"] == [TOKEN]
        assert adapter.info["class_name"] == "dog"
        assert adapter.info["training"]["steps"] == 6
        assert adapter.info["training"]["photos"] == 2
        assert engine.tokenize(TOKEN, adapter) == [700]
        assert len(engine.tokenize(TOKEN)) > 1
        prompt = f"a photo of a {TOKEN} dog"
        assert not np.array_equal(engine.generate(prompt, adapter, steps=3), engine.generate(prompt, steps=3))


def test_progress_and_cancel(engine):
    seen = []
    engine.generate(PROMPT, progress=lambda done, total: seen.append((done, total)), steps=3, count=2)
    assert seen[0] == (0, 8)
    assert seen[-1] == (8, 8)
    with pytest.raises(CancelledError):
        engine.generate(PROMPT, progress=lambda done, total: done == 2, steps=3)

    def fail(done: int, total: int) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        engine.generate(PROMPT, progress=fail, steps=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": 1000}, "between 1 and 999"),
        ({"count": 0}, "count is 0"),
        ({"count": 2**62}, "count is 4611686018427387904"),
        ({"sampler": "wild"}, "wild"),
        ({"guidance_scale": float("inf")}, "guidance_scale"),
        ({"prompt": "dog " * 23}, "23 tokens, this model reads 22; shorten it"),
        ({"negative_prompt": "dog " * 23}, "shorten it"),
        ({"prompt": "a\0b"}, "zero character"),
    ],
)
def test_settings_are_checked(engine, changes, message):
    with pytest.raises(InvalidArgumentError, match=message):
        engine.generate(**{"prompt": PROMPT, **changes})


def test_adapter_of_another_engine_is_refused(engine, tiny_bundle, adapter_path, tmp_path):
    other = copy_bundle(tiny_bundle.bundle, tmp_path / "b", **{"model/weights_sha256": "1" * 64})
    refused = pytest.raises(WrongModelError, match="adapter was loaded for the model")
    with Engine(other) as foreign, engine.load_adapter(adapter_path) as adapter, refused:
        foreign.generate(PROMPT, adapter, steps=2)


def test_many_threads_share_one_engine(engine, adapter_path):
    expected = [engine.generate(PROMPT, seed=seed, steps=2) for seed in range(4)]
    actual: dict[int, np.ndarray] = {}

    def paint(seed: int) -> None:
        actual[seed] = engine.generate(PROMPT, seed=seed, steps=2)

    threads = [threading.Thread(target=paint, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        np.testing.assert_array_equal(actual[seed], expected[seed])


def test_objects_close_in_any_order(tiny_bundle, adapter_path):
    engine = Engine(tiny_bundle.bundle)
    adapter = engine.load_adapter(adapter_path)
    session = new_session(engine, None, steps=1)
    engine.close()
    assert adapter.info["kind"] == "full"
    session.run()
    session.close()
    adapter.close()
    with pytest.raises(ValueError, match="closed"):
        engine.generate(PROMPT)


def test_encode_decode_is_the_autoencoder(engine, tiny_bundle):
    vae = AutoencoderKL.from_pretrained(tiny_bundle.model / "vae").eval()
    pixels = photo(1, 32, 32)
    with torch.no_grad():
        x = torch.tensor(pixels).permute(2, 0, 1)[None] / 127.5 - 1
        y = vae.decode(vae.encode(x).latent_dist.mean).sample[0]
    expected = ((y.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    assert psnr(engine.encode_decode(pixels), expected) > 45


def test_trim_and_info(engine):
    before = engine.generate(PROMPT, steps=2)
    engine.trim()
    np.testing.assert_array_equal(engine.generate(PROMPT, steps=2), before)
    info = engine.info
    assert info["image_size"] == engine.image_size == 32
    assert set(info["adapter_kinds"]) == {"full", "lora"}
    assert info["prior_classes"] == ["cat", "dog"]
    assert info["max_prompt_tokens"] == 22
