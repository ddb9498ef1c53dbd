"""Training the default teacher and student on cached latents: examples, and both programs from start to resumption."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTokenizer

from server_distill.default_model import cache_latents, train_student, train_teacher
from server_distill.default_model.latent_examples import EVEN_TIMESTEPS, FINE_TIMESTEPS, LatentExamples, draw_timesteps

MODELS = Path("models/default")
TEACHER, STUDENT = MODELS / "teacher", MODELS / "student"
SHARED = [
    *("--train_batch_size=2", "--checkpointing_steps=2", "--checkpoints_total_limit=2"),
    *("--mixed_precision=no", f"--vae={TEACHER / 'vae'}"),
]


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(TEACHER / "tokenizer")


@pytest.fixture(scope="module")
def latents(tmp_path_factory: pytest.TempPathFactory, tokenizer: CLIPTokenizer) -> Path:
    """A cache as `cache_latents` writes it, of random latents."""
    torch.manual_seed(0)
    length = tokenizer.model_max_length
    cache = {
        "latents": torch.randn(10, 4, 16, 16).half(),
        "coverage": torch.randint(0, 256, (10, 16, 16)).to(torch.uint8),
        "tokens": torch.randint(1, 100, (10, 3, length)).to(torch.int16),
        "scaling_factor": 1.5,
    }
    path = tmp_path_factory.mktemp("latents") / "latents.pt"
    torch.save(cache, path)
    return path


def test_batches_depend_on_seed_step_and_process(latents: Path, tokenizer: CLIPTokenizer) -> None:
    first, second = LatentExamples(latents, tokenizer, 3), LatentExamples(latents, tokenizer, 3)
    for a, b in zip(first.batch(7, 64), second.batch(7, 64), strict=True):
        assert torch.equal(a, b)
    other_seed = LatentExamples(latents, tokenizer, 4)
    for other in (first.batch(8, 64), first.batch(7, 64, process=1), other_seed.batch(7, 64)):
        assert not torch.equal(other.noise, first.batch(7, 64).noise)


def test_batches_hold_what_was_cached(latents: Path, tokenizer: CLIPTokenizer) -> None:
    examples = LatentExamples(latents, tokenizer, 3)
    batch = examples.batch(8, 400)
    dropped = (batch.token_ids == examples.empty_ids).all(1).float().mean().item()
    assert 0.04 < dropped < 0.18  # 400 draws of 0.1: four standard deviations either way
    assert batch.weight.mean().item() == pytest.approx(1, abs=1e-5)
    assert batch.timesteps.min() >= 0 and batch.timesteps.max() < 1000
    stored = torch.load(latents)["latents"].float() * 1.5
    assert all((stored == latent).all((1, 2, 3)).any() for latent in batch.latents[:20])


def test_timesteps_prefer_the_middle_and_small_ones_and_reach_both_ends() -> None:
    generator = torch.Generator().manual_seed(0)
    timesteps = draw_timesteps(100_000, generator)
    assert timesteps.min() == 0 and timesteps.max() == 999
    middle = ((timesteps >= 250) & (timesteps < 750)).float().mean().item()
    small = (timesteps < 300).float().mean().item()
    # Half of the even ones, a sixth of the fine ones; of the logit-normal ones those with |z| < ln 3, 72.8 %; and below
    # 300 of the first 30 %, of the second all, of the last those with z < ln(3/7), 19.8 % (five deviations: 0.008).
    rest = 1 - EVEN_TIMESTEPS - FINE_TIMESTEPS
    assert middle == pytest.approx(0.5 * EVEN_TIMESTEPS + FINE_TIMESTEPS / 6 + 0.728 * rest, abs=0.01)
    assert small == pytest.approx(0.3 * EVEN_TIMESTEPS + FINE_TIMESTEPS + 0.198 * rest, abs=0.01)


def unet_of(folder: Path) -> dict[str, torch.Tensor]:
    """The UNet of a whole pipeline."""
    return StableDiffusionPipeline.from_pretrained(folder, safety_checker=None).unet.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["teacher", "student", "student alone"])
def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(name: str, latents: Path, tmp_path: Path) -> None:
    """And in a whole pipeline, that differs from what it started from."""
    start = TEACHER if name == "teacher" else STUDENT
    program = train_teacher if name == "teacher" else train_student
    more = [f"--tokenizer={TEACHER / 'tokenizer'}"] if name == "teacher" else [f"--teacher={TEACHER}"]
    arguments = [*SHARED, *more, f"--data={latents}", f"--start={start}", f"--output_dir={tmp_path}"]
    arguments += ["--max_train_steps=3", "--lr_warmup_steps=1", "--perceptual_weight=0.01", "--critic_weight=0.5"]
    arguments += ["--output_weight=0", "--feature_weight=0"] if name == "student alone" else []
    assert program.main(arguments) == 0
    whole = unet_of(tmp_path)
    shutil.rmtree(tmp_path / "checkpoint-3")  # what a kill in the third step leaves
    (tmp_path / "model_index.json").unlink()
    assert program.main(arguments) == 0
    again, started = unet_of(tmp_path), unet_of(start)
    assert all(torch.equal(again[key], whole[key]) for key in whole)
    assert any(not torch.equal(again[key], started[key].float()) for key in whole)
    figures = json.loads((tmp_path / "training.json").read_text())
    assert figures["steps"] == 3 and figures["batch"] == 2
    assert figures["perceptual_loss"] > 0 and figures["task_loss"] > 0
    assert ("output_loss" in figures) == (name == "student")


def test_missing_latents_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [f"--data={tmp_path / 'none.pt'}", f"--tokenizer={TEACHER / 'tokenizer'}", f"--output_dir={tmp_path}"]
    assert train_teacher.main(arguments) == 1
    assert "make latents" in capsys.readouterr().err


def test_a_truncated_autoencoder_is_named_and_the_earlier_latents_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vae, output = tmp_path / "vae", tmp_path / "latents.pt"
    shutil.copytree(TEACHER / "vae", vae)
    weights = vae / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    output.write_bytes(b"earlier")
    arguments = [f"--vae={vae}", f"--tokenizer={TEACHER / 'tokenizer'}", f"--output={output}", "--count=32"]
    assert cache_latents.main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and str(weights) in said and "copy it again" in said
    assert output.read_bytes() == b"earlier"
