"""The command: what it says beforehand and when something is wrong; and whole runs of it, as processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from diffusers import UNet2DConditionModel

from models.adapter import base_weights
from models.adapter_file import read
from server_distill import custom_diffusion
from tests.personalization_world import (  # noqa: F401
    PRIOR,
    ROOT,
    check_loads,
    command,
    figures,
    make_world,
    new_accelerator,
    pictures,
)


def test_a_dry_run_says_what_would_be_done(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    more = ["--with_prior_preservation", "--class_prompt=cat", "--num_class_images=9", "--dry_run", "--cache_views=2"]
    assert custom_diffusion.main(command(world, output, *more, "--scale_lr")) == 0
    words = capsys.readouterr().out
    assert "3 photos, 5 class images" in words and "4 to be drawn by the model" in words
    assert "3 of 2 photos, learning rate 0.004" in words
    unet = UNet2DConditionModel.from_pretrained(world / "model" / "unet")
    assert f"{sum(weight.numel() for weight in base_weights(unet).values()) + 32:,} parameters" in words
    assert not output.exists() and len(list((world / "class").iterdir())) == 5


def sdxl_like(world: Path, folder: Path) -> str:
    shutil.copytree(world / "model", folder)
    index = json.loads((folder / "model_index.json").read_text()) if (folder / "model_index.json").exists() else {}
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "StableDiffusionXLPipeline"}))
    return f"--pretrained_model_name_or_path={folder}"


def test_errors_are_one_line_that_says_what_to_do(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text("[{")
    cases = [
        ([f"--instance_data_dir={tmp_path / 'nowhere'}"], "there is no folder"),
        ([f"--instance_data_dir={tmp_path / 'empty'}"], "no photos in it"),
        (["--modifier_token=cat", "--instance_prompt=a cat"], "cat is in the vocabulary already"),
        (["--initializer_token=ktn"], "'ktn' is 3 tokens"),
        (["--instance_prompt=photo of a cat"], "none of the modifier tokens"),
        ([f"--concepts_list={tmp_path / 'broken.json'}"], "can't be read as JSON"),
        ([*PRIOR, "--num_class_images=9"], "5 usable class images, 9 are wanted; lower --num_class_images to 5"),
        ([sdxl_like(world, tmp_path / "xl")], "holds a StableDiffusionXLPipeline; only Stable Diffusion 1.x and 2.x"),
        ([f"--pretrained_model_name_or_path={tmp_path / 'empty'}"], "it has no vae/"),
        ([f"--pretrained_model_name_or_path={tmp_path / 'no-model'}"], "there is no folder"),
        (["--resolution=66"], "should be a multiple of 4"),
        (["--report_to=smoke"], "--report_to=smoke is none of"),
    ]
    for more, words in cases:
        assert custom_diffusion.main(command(world, tmp_path / "out", *more)) == 1, more
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1 and words in lines[0], (more, lines)
    assert not list(tmp_path.glob("out/*"))


def test_options_that_contradict_each_other_exit_with_2(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [
        (["--method=textual_inversion", "--modifier_token="], "give some (--modifier_token)"),
        (["--train_text_encoder"], "goes with --method=dreambooth"),
        (["--method=lora", "--freeze_model=crossattn"], "goes with --method=custom_diffusion"),
        (["--train_batch_size=0"], "at least 1"),
    ]
    for more, words in cases:
        with pytest.raises(SystemExit) as exit_:
            custom_diffusion.main(command(world, tmp_path, *more))
        assert exit_.value.code == 2 and words in capsys.readouterr().err


def test_other_settings_or_photos_are_not_gone_on_with(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = shutil.copytree(world / "photos", tmp_path / "photos")
    arguments = command(world, tmp_path / "out", f"--instance_data_dir={photos}", "--max_train_steps=1")
    assert custom_diffusion.main(arguments) == 0
    assert custom_diffusion.main([*arguments, "--learning_rate=1e-4"]) == 1
    assert "learning_rate was 0.001, is 0.0001" in capsys.readouterr().err
    next(photos.iterdir()).unlink()
    assert custom_diffusion.main(arguments) == 1
    assert "photos was '3, " in capsys.readouterr().err


def launch(*arguments: str) -> list[str]:
    launcher = Path(sys.executable).parent / "accelerate"
    return [str(launcher), "launch", "--cpu", "-m", "server_distill.custom_diffusion", *arguments]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


@pytest.mark.slow
def test_the_whole_command_on_the_default_model(tmp_path: Path) -> None:
    """As its help shows it, through accelerate's launcher, with fewer and smaller pictures."""
    model = ROOT / "models" / "default" / "teacher"
    photos = pictures(tmp_path / "photos", 3, 1, 128)
    real = pictures(tmp_path / "real_reg" / "samples_cat", 4, 2, 128)
    arguments = [
        f"--pretrained_model_name_or_path={model}",
        f"--instance_data_dir={photos}",
        f"--output_dir={tmp_path / 'out'}",
        *(f"--class_data_dir={real}/", "--with_prior_preservation", "--real_prior", "--prior_loss_weight=1.0"),
        *("--class_prompt=cat", "--num_class_images=4", "--instance_prompt=photo of a <new1> cat", "--resolution=128"),
        *("--train_batch_size=2", "--learning_rate=1e-5", "--lr_warmup_steps=0", "--max_train_steps=2", "--scale_lr"),
        *("--hflip", "--modifier_token", "<new1>", "--validation_prompt=<new1> cat sitting in a bucket"),
        *("--report_to=wandb", "--push_to_hub"),
    ]
    done = subprocess.run(launch(*arguments), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "not pushed to the hub" in done.stderr and "wandb" in done.stderr
    check_loads(model, tmp_path / "out", "custom_diffusion")
    assert (tmp_path / "out" / "logs" / "validation-2.png").exists()


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on_to_the_same_bytes(world: Path, tmp_path: Path) -> None:
    common = [*PRIOR, "--max_train_steps=12", "--checkpointing_steps=2"]

    def start(output: Path) -> subprocess.Popen[str]:
        program = [sys.executable, "-m", "server_distill.custom_diffusion", *command(world, output, *common)]
        return subprocess.Popen(program, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)

    killed = start(tmp_path / "parts")
    while not list((tmp_path / "parts").glob("checkpoint-*")) and killed.poll() is None:
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    assert not (tmp_path / "parts" / "adapter.safetensors").exists(), "it was done before it was killed"
    for name in ("parts", "whole"):
        process = start(tmp_path / name)
        _, words = process.communicate()
        assert process.returncode == 0, words[-3000:]
    assert figures(tmp_path / "parts") == figures(tmp_path / "whole")
    for path in (tmp_path / "whole").glob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "parts" / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_two_processes_share_the_drawing_and_train_one_model(world: Path, tmp_path: Path) -> None:
    more = ["--with_prior_preservation", "--class_prompt=cat", "--num_class_images=5", "--num_inference_steps=2"]
    arguments = command(world, tmp_path / "out", *more, f"--class_data_dir={tmp_path / 'drawn'}", "--max_train_steps=2")
    program = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        "-m",
        "server_distill.custom_diffusion",
    ]
    environment = {**ENVIRONMENT, "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        [sys.executable, *program, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list((tmp_path / "drawn").iterdir())) == 5
    assert read(tmp_path / "out" / "adapter.safetensors").training["batch"] == 4


def test_the_help_is_the_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        custom_diffusion.main(["--help"])
    words = capsys.readouterr().out
    assert exit_.value.code == 0 and "Teach Stable Diffusion a subject" in words and "prior preservation:" in words
