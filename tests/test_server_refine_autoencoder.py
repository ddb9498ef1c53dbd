"""Training the default model's autoencoder on: the noise it is given, and the program from start to resumption."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL

from server_distill.default_model import refine_autoencoder
from server_distill.default_model.moved_views import moved, random_views
from server_distill.default_model.refine_autoencoder import CLEAN, Autoencoder, AutoencoderLosses
from server_distill.default_model.train_autoencoder import new_autoencoder

VAE = Path("models/default/student/vae")


def options(output: Path, **others: object) -> list[str]:
    given = {"vae": VAE, "output_dir": output, "train_batch_size": 2, "max_train_steps": 3, "mixed_precision": "no"}
    given |= {"checkpointing_steps": 2, "checkpoints_total_limit": 2, "lr_warmup_steps": 1} | others
    return [f"--{name}={value}" for name, value in given.items()]


@pytest.mark.usefixtures("few_objects")
def test_noise_is_as_strong_as_asked_and_leaves_some_latents_clean() -> None:
    started = AutoencoderKL.from_pretrained(VAE)
    args = refine_autoencoder.parser().parse_args(options(Path("unused"), noise=0.5))
    losses = AutoencoderLosses(args, Accelerator(cpu=True), started, Autoencoder(started))
    noise, clean = losses.noise(torch.Size((2000, 4, 8, 8)), torch.Generator().manual_seed(0))
    assert clean[0] and clean.float().mean().item() == pytest.approx(CLEAN, abs=0.05)  # five standard deviations
    assert not noise[clean].any()
    strength = noise[~clean].std((1, 2, 3)) * started.config.scaling_factor
    # Evenly from 0 to 0.5, each measured on 256 values: to 4.4 %, so five deviations are a fifth above.
    assert strength.max() < 0.6 and strength.mean().item() == pytest.approx(0.25, abs=0.02)


def test_the_module_is_the_autoencoder_with_moved_latents_between() -> None:
    torch.manual_seed(0)
    vae, pixels, noise = new_autoencoder(), torch.rand(2, 3, 64, 64) * 2 - 1, torch.randn(2, 4, 8, 8)
    views = random_views(2, 1.0, torch.Generator().manual_seed(0))
    with torch.no_grad():
        latents, painted = Autoencoder(vae)(pixels, views, noise)
        expected = vae.encode(pixels).latent_dist.mean
        assert torch.equal(latents, expected)
        assert torch.equal(painted, vae.decode(moved(expected, views) + noise).sample)
        # To float32's rounding over the decoder's layers, what did not move is painted as it was.
        torch.testing.assert_close(painted[:1], vae.decode(expected + noise).sample[:1], atol=1e-3, rtol=1e-3)


@pytest.mark.usefixtures("few_objects")
def test_latents_that_move_with_the_picture_are_not_stiff() -> None:
    """Averages of 8 × 8 pixels move under shifts of a whole cell."""
    started = AutoencoderKL.from_pretrained(VAE)
    args = refine_autoencoder.parser().parse_args(options(Path("unused")))
    model = Autoencoder(started)
    losses = AutoencoderLosses(args, Accelerator(cpu=True), started, model)
    pixels = torch.rand(2, 4, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pixels[..., 48:] = 0  # the border that is drawn out
    views = torch.eye(2, 3).repeat(2, 1, 1)
    model.encode = lambda pictures: torch.nn.functional.avg_pool2d(pictures, 8)  # type: ignore[method-assign]
    assert losses.stiffness(model.encode(pixels), pixels, views).item() == 0
    views[1, 0, 2] = 2 / 8
    wanted = moved(pixels, views)
    still, shifted = model.encode(pixels), model.encode(wanted)
    assert losses.stiffness(still, wanted, views).item() < 1e-6 < losses.stiffness(shifted, wanted, views).item()


@pytest.mark.slow
@pytest.mark.usefixtures("few_objects")
def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    """And has changed how the autoencoder encodes and decodes."""
    arguments = options(tmp_path, moved=1, stiffness_weight=0.1)
    assert refine_autoencoder.main(arguments) == 0
    whole, started = (AutoencoderKL.from_pretrained(folder).state_dict() for folder in (tmp_path / "vae", VAE))
    for half in ("encoder.conv_in.weight", "decoder.conv_out.weight"):
        assert not torch.equal(whole[half], started[half].float())

    shutil.rmtree(tmp_path / "checkpoint-3")  # what a kill in the third step leaves
    shutil.rmtree(tmp_path / "vae")
    assert refine_autoencoder.main(arguments) == 0
    again = AutoencoderKL.from_pretrained(tmp_path / "vae").state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())
    figures = json.loads((tmp_path / "training.json").read_text())
    assert figures["steps"] == 3 and 15 < figures["psnr"] < 60
    assert figures["stiffness"] > 0
    assert 0 < figures["drift"] < 0.1  # of the latents' variance, after three steps
