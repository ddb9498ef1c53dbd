"""Training the default model's decoder: what it is shown, and the program from start to resumption."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import Tensor

from server_distill.default_model import painting_examples, train_decoder
from server_distill.default_model.objects import (
    load_cutout,
    pictures_beyond_the_catalogue,
    read_catalogue,
)
from server_distill.default_model.pipeline import VAE_WIDTHS
from server_distill.default_model.scenes import random_scene
from server_distill.default_model.ship import encode_alike
from server_distill.default_model.train_autoencoder import new_autoencoder

STUDENT = Path("models/default/student")


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return StableDiffusionPipeline.from_pretrained(STUDENT, safety_checker=None, dtype=torch.float32)


class OneAnswer(torch.nn.Module):
    """A UNet that knows the clean latents, and says the velocity that leads there from wherever it is."""

    def __init__(self, clean: Tensor, alphas_cumprod: Tensor) -> None:
        super().__init__()
        self.clean, self.alphas_cumprod = clean, alphas_cumprod
        self.timesteps: list[int] = []

    def forward(self, sample: Tensor, timestep: Tensor, hidden: Tensor, return_dict: bool) -> tuple[Tensor]:
        assert len(sample) == len(hidden) == 2 * len(self.clean)
        self.timesteps.append(int(timestep))
        kept = self.alphas_cumprod[int(timestep)]  # x = √ᾱ·x_t − √(1−ᾱ)·v, Salimans & Ho 2022, appendix D
        return ((kept.sqrt() * sample - self.clean.repeat(2, 1, 1, 1)) / (1 - kept).sqrt(),)


def test_a_unet_that_knows_the_picture_gives_its_latents_back(pipeline: StableDiffusionPipeline) -> None:
    repaint = train_decoder.Repainter(pipeline, "no")
    clean = torch.randn(2, 4, 16, 16)
    repaint.unet = OneAnswer(clean * repaint.scale, pipeline.scheduler.alphas_cumprod)  # type: ignore[assignment]
    for seed in range(3):
        repainted = repaint(clean, ["a cow on grass", "a cat"], torch.Generator().manual_seed(seed))
        assert torch.allclose(repainted, clean, atol=1e-4)  # float32, divided by √(1−ᾱ) of small timesteps
    steps = torch.tensor(repaint.unet.timesteps).view(3, train_decoder.DENOISING_STEPS)
    assert (steps[:, :-1] > steps[:, 1:]).all() and steps.max() < train_decoder.NOISIEST
    assert steps[:, 0].unique().numel() == 3


@torch.no_grad()
def test_the_student_keeps_the_layout_and_loses_detail(pipeline: StableDiffusionPipeline) -> None:
    """Repainted latents of a real picture are nearer to it than another picture's, and not the same."""
    rng, dog = np.random.default_rng(0), read_catalogue("held_out")[0]
    pictures = np.stack([random_scene(load_cutout(dog), rng).pixels for _ in range(2)])
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1
    clean = pipeline.vae.encode(pixels).latent_dist.mean
    captions = [f"a photo of a {dog.class_name}"] * 2
    repainted = train_decoder.Repainter(pipeline, "no")(clean, captions, torch.Generator().manual_seed(1))
    lost = (repainted - clean).square().mean()
    assert 0 < lost < 0.3 * (clean - clean.flip(0)).square().mean()


@pytest.mark.slow
@pytest.mark.usefixtures("few_objects")
def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    """And has widened a narrow autoencoder, trained its decoder, and left alone how it encodes."""
    torch.manual_seed(0)
    narrow = new_autoencoder()
    narrow.save_pretrained(tmp_path / "narrow")
    arguments = [f"--vae={tmp_path / 'narrow'}", f"--unet={STUDENT}", f"--output_dir={tmp_path / 'run'}"]
    arguments += ["--train_batch_size=2", "--max_train_steps=3", "--checkpointing_steps=2", "--lr_warmup_steps=1"]
    arguments += ["--mixed_precision=no", "--checkpoints_total_limit=2"]
    assert train_decoder.main(arguments) == 0
    result = tmp_path / "run" / "vae"
    whole = AutoencoderKL.from_pretrained(result)
    assert tuple(whole.config.block_out_channels) == VAE_WIDTHS
    assert encode_alike(AutoencoderKL.from_pretrained(result), narrow)
    latents = torch.randn(1, 4, 16, 16)
    with torch.no_grad():
        assert not torch.allclose(whole.decode(latents).sample, narrow.decode(latents).sample, atol=1e-4)

    shutil.rmtree(tmp_path / "run" / "checkpoint-3")  # what a kill in the third step leaves
    shutil.rmtree(result)
    assert train_decoder.main(arguments) == 0
    again = AutoencoderKL.from_pretrained(result).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.state_dict().items())
    figures = json.loads((tmp_path / "run" / "training.json").read_text())
    assert figures["steps"] == 3 and figures["perceptual"] > 0 and 5 < figures["psnr"] < 60


def test_encoders_that_differ_are_told_apart() -> None:
    torch.manual_seed(0)
    assert not encode_alike(new_autoencoder(), new_autoencoder())


def test_missing_pictures_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(painting_examples, "load_cutout", lambda item: load_cutout(item, tmp_path))
    vae = STUDENT / "vae"
    arguments = [f"--vae={vae}", f"--unet={STUDENT}", f"--output_dir={tmp_path / 'run'}", "--mixed_precision=no"]
    assert train_decoder.main(arguments) == 1
    assert "make data" in capsys.readouterr().err


def test_unnamed_pictures_are_neither_in_the_catalogue_nor_variants(tmp_path: Path) -> None:
    dog = read_catalogue("held_out")[0]
    others = ("1f3e0", "1f512", "1f44b-1f3fd", "1f1e9-1f1ea", "0031-20e3", "1f639")  # house, lock, and four variants
    for name in (dog.codepoint, *others):
        (tmp_path / f"{name}.webp").touch()
    assert [path.stem for path in pictures_beyond_the_catalogue(tmp_path)] == ["1f3e0", "1f512"]
    with pytest.raises(FileNotFoundError, match="make data"):
        pictures_beyond_the_catalogue(tmp_path / "none")
