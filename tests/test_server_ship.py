"""Shipping the default model: what was trained replaces what was shipped, or nothing does and a message says why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors import safe_open

from server_distill.default_model import evaluate, evaluate_names, hard_objects, make_prior_pack, ship
from tests import sd_shaped

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Teacher, student and autoencoder as trainings leave them, and captions for a prior pack of two classes."""
    folder = tmp_path / "train"
    for name in ("teacher", "student"):
        sd_shaped.save_pipeline(folder / name)
        (folder / name / "training.json").write_text(json.dumps({"steps": len(name)}))
    shutil.copytree(folder / "teacher" / "vae", folder / "vae")
    (folder / "vae" / "training.json").write_text(json.dumps({"psnr": 29.3}))
    captions = {word: [f"a photo of a {word}"] for word in ("cat", "dog")}
    monkeypatch.setattr(make_prior_pack, "class_captions", lambda per_class: captions)
    return folder


def shipped(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(train: Path, output: Path) -> int:
    return ship.main(["--train", str(train), "--output", str(output)])


def test_what_was_trained_is_shipped_in_half_precision(trained: Path, tmp_path: Path) -> None:
    output = tmp_path / "default"
    assert run(trained, output) == 0
    for name in ("teacher", "student"):
        source = UNet2DConditionModel.from_pretrained(trained / name / "unet").state_dict()
        with safe_open(output / name / "unet" / WEIGHTS, "pt") as file:
            assert set(file.keys()) == set(source)
            assert all(torch.equal(file.get_tensor(key), tensor.half()) for key, tensor in source.items())
            assert {file.get_tensor(key).dtype for key in source} == {torch.float16}
    figures = json.loads((output / "training.json").read_text())
    assert figures == {"teacher": {"steps": 7}, "student": {"steps": 7}, "autoencoder": {"psnr": 29.3}}
    with safe_open(output / "prior_pack.safetensors", "pt") as file:
        assert set(json.loads(file.metadata()["classes"])) == {"cat", "dog"}
        assert len(file.get_tensor("latents")) == 2
    assert (output / "student" / "recommended.json").read_bytes() == ship.RECOMMENDED.read_bytes()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def damage(trained: Path, kind: str) -> str:
    """Do it; returns what the message should say."""
    if kind == "truncated student":
        truncate(trained / "student" / "unet" / WEIGHTS)
        return f"{trained / 'student'} holds no whole StableDiffusionPipeline"
    if kind == "no student":
        shutil.rmtree(trained / "student")
        return f"there is no folder {trained / 'student'}"
    if kind == "damaged figures":
        (trained / "student" / "training.json").write_text('{"steps": ')
        return "training.json is damaged"
    vae = AutoencoderKL.from_pretrained(trained / "vae")
    with torch.no_grad():
        vae.encoder.conv_in.weight.mul_(-1)
    vae.save_pretrained(trained / "vae")
    return "run `make latents teacher` again"


@pytest.mark.parametrize("kind", ("truncated student", "no student", "damaged figures", "another encoder"))
def test_of_what_cannot_be_shipped_nothing_is(
    trained: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(trained, tmp_path / "default") == 0
    before = shipped(tmp_path / "default")
    said = damage(trained, kind)
    assert run(trained, tmp_path / "default") == 1
    assert said in capsys.readouterr().err
    assert shipped(tmp_path / "default") == before


@pytest.mark.parametrize(
    ("program", "option", "output"),
    [
        (evaluate, "--teacher", "out"),
        (evaluate_names, "--model", "out"),
        (hard_objects, "--model", "out/shares.json"),
        (make_prior_pack, "--model", "out/pack.safetensors"),
    ],
    ids=lambda value: value.__name__.rpartition(".")[2] if isinstance(value, ModuleType) else None,
)
def test_programs_that_draw_name_a_damaged_pipeline(
    program: ModuleType, option: str, output: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = trained / "teacher"
    truncate(said / "unet" / WEIGHTS)
    assert program.main([option, str(said), "--output", str(tmp_path / output)]) == 1
    assert f"error: {said} cannot be loaded" in capsys.readouterr().err
    assert not any(path.is_file() for path in (tmp_path / "out").rglob("*"))
