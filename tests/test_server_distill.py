"""`server_distill.distill` on small pipelines of Stable Diffusion's layout: losses, resumption, results, bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel

from server_distill import distill as command
from server_distill.distillation.block_removal import feature_pairs
from server_distill.distillation.losses import Distillation
from server_distill.training.loop import draw
from tests.captioned_folders import CAPTIONS, image_folder
from tests.small_pipelines import small_pipeline

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_pipeline(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_folder(tmp_path_factory.mktemp("pictures"))


def options(model: Path, data: Path | None, output: Path, *more: str) -> list[str]:
    arguments = [f"--pretrained_model_name_or_path={model}", f"--output_dir={output}", "--resolution=64"]
    arguments += ["--center_crop", "--random_flip", "--train_batch_size=2", "--learning_rate=1e-3"]
    arguments += ["--max_train_steps=4", "--lr_warmup_steps=0", "--distill_level=bk_base"]
    return [*arguments, *([f"--dataset_name={data}"] if data else []), *more]


def figures(output: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (output / "logs" / "training.jsonl").read_text().splitlines()]


def student_of(output: Path) -> dict[str, torch.Tensor]:
    return UNet2DConditionModel.from_pretrained(output / "unet").state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Recorded(Distillation):
    """Keeps itself, so that a test can look inside a run."""

    last: Recorded

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        Recorded.last = self


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("extra", [(), ("--snr_gamma=5", "--noise_offset=0.1", "--input_perturbation=0.1")])
def test_losses_equal_a_straightforward_reference(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, prediction: str, extra: tuple[str, ...]
) -> None:
    """The recipe written out: both networks at once, all features held. float32, so up to the order of additions."""
    model = small_pipeline(tmp_path / "model", prediction)
    monkeypatch.setattr(command, "Distillation", Recorded)
    assert command.main(options(model, pictures, tmp_path / "out", "--max_train_steps=1", *extra)) == 0
    run = Recorded.last
    student = UNet2DConditionModel.from_pretrained(model, subfolder="unet")
    from server_distill.distillation.block_removal import make_student

    teacher, student = student, make_student(student, "bk_base")
    batch = run.examples.batch(2, draw(0, 0, 0))
    schedule = DDPMScheduler.from_pretrained(model, subfolder="scheduler")
    noisy = schedule.add_noise(batch.latents, batch.input_noise, batch.timesteps)
    pairs, kept = feature_pairs(student, "bk_base"), {}
    for network, names in ((student, pairs), (teacher, pairs.values())):
        for name in names:

            def keep(_m: object, _i: object, output: object, key: tuple[int, str] = (id(network), name)) -> None:
                kept[key] = output[0] if isinstance(output, tuple) else output

            network.get_submodule(name).register_forward_hook(keep)
    with torch.no_grad():
        own = student(noisy, batch.timesteps, batch.hidden).sample
        wanted = teacher(noisy, batch.timesteps, batch.hidden).sample
    alpha = schedule.alphas_cumprod[batch.timesteps].view(-1, 1, 1, 1)
    truth = batch.noise if prediction == "epsilon" else alpha.sqrt() * batch.noise - (1 - alpha).sqrt() * batch.latents
    weights = torch.ones(2)
    if extra:
        snr = (alpha / (1 - alpha)).flatten()
        weights = snr.clamp(max=5) / (snr if prediction == "epsilon" else snr + 1)
    task = ((own - truth).square().mean((1, 2, 3)) * weights).mean()
    feature = sum(F.mse_loss(kept[id(student), s], kept[id(teacher), t]) for s, t in pairs.items())
    logged = figures(tmp_path / "out")[0]
    assert logged["task"] == pytest.approx(task.item(), rel=1e-4)
    assert logged["output"] == pytest.approx(F.mse_loss(own, wanted).item(), rel=1e-4)
    assert logged["feature"] == pytest.approx(float(feature), rel=1e-4)
    total = task + 0.5 * F.mse_loss(own, wanted) + 0.5 * feature
    assert logged["loss"] == pytest.approx(float(total), rel=1e-4)


@pytest.mark.parametrize("level", ["bk_base", "bk_small", "bk_tiny", "sd_small", "sd_tiny"])
def test_every_level_gives_a_pipeline_that_diffusers_loads(
    tmp_path: Path, teacher: Path, pictures: Path, level: str
) -> None:
    output = tmp_path / "out"
    arguments = options(teacher, pictures, output, f"--distill_level={level}", "--max_train_steps=2")
    assert command.main([*arguments, "--gradient_checkpointing", "--optimizer=adafactor"]) == 0
    pipeline = StableDiffusionPipeline.from_pretrained(output, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline(CAPTIONS[0], num_inference_steps=2, height=64, width=64, output_type="np").images
    assert picture.shape == (1, 64, 64, 3)
    assert (pipeline.unet.mid_block is None) == (level in ("bk_small", "bk_tiny", "sd_tiny"))


def test_gradient_checkpointing_changes_nothing(tmp_path: Path, teacher: Path, pictures: Path) -> None:
    for name, extra in (("a", []), ("b", ["--gradient_checkpointing"])):
        assert command.main(options(teacher, pictures, tmp_path / name, *extra)) == 0
    assert same(student_of(tmp_path / "a"), student_of(tmp_path / "b"))


def test_the_average_is_the_students(tmp_path: Path, teacher: Path, pictures: Path) -> None:
    """Decay 0: the average is the last step's weights, but for the rounding of a − (a − b)."""
    assert command.main(options(teacher, pictures, tmp_path / "plain")) == 0
    assert command.main(options(teacher, pictures, tmp_path / "ema", "--use_ema", "--ema_decay=0.0")) == 0
    plain, average = student_of(tmp_path / "plain"), student_of(tmp_path / "ema")
    assert all(torch.allclose(plain[name], average[name], atol=1e-6) for name in plain)
    assert command.main(options(teacher, pictures, tmp_path / "slow", "--use_ema", "--ema_decay=0.5")) == 0
    assert not all(torch.allclose(plain[name], t, atol=1e-6) for name, t in student_of(tmp_path / "slow").items())


def test_a_cached_teacher_gives_the_same_training_without_it(
    tmp_path: Path, teacher: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = ("--task=personalization", "--use_ema")
    assert command.main(options(teacher, pictures, tmp_path / "a", *extra)) == 0
    monkeypatch.setattr(command, "Distillation", Recorded)
    assert command.main(options(teacher, pictures, tmp_path / "b", *extra, "--cache_teacher=4")) == 0
    assert Recorded.last.teacher is None
    assert same(student_of(tmp_path / "a"), student_of(tmp_path / "b"))
    # Two micro-steps, gone round twice: other training, and no file more.
    assert command.main(options(teacher, pictures, tmp_path / "c", *extra, "--cache_teacher=2")) == 0
    assert len(list((tmp_path / "c" / "teacher" / "0").glob("*.safetensors"))) == 2


def test_the_teacher_draws_the_data_itself(tmp_path: Path, teacher: Path) -> None:
    """From a folder of half-precision weights, as models are shipped."""
    pipeline = StableDiffusionPipeline.from_pretrained(teacher, safety_checker=None)
    pipeline.to(dtype=torch.float16).save_pretrained(tmp_path / "half")
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a photo of a dog\n\na photo of a cat\n")
    extra = [f"--class_prompts={prompts}", "--samples_per_prompt=2", "--sampling_steps=2", "--task=personalization"]
    output = tmp_path / "out"
    extra += ["--validation_prompts", "a photo of a dog"]
    assert command.main(options(tmp_path / "half", None, output, *extra)) == 0
    done = json.loads((output / "latents" / "complete.json").read_text())
    assert done["pictures"] == 4 and done["captions"] == 2
    assert {"loss", "task", "output", "feature", "attention"} < figures(output)[0].keys()


def test_validation_pictures_are_drawn(tmp_path: Path, teacher: Path, pictures: Path) -> None:
    extra = ["--validation_prompts", "a photo of a dog", "--validation_steps=2", "--use_ema"]
    assert command.main(options(teacher, pictures, tmp_path / "out", *extra)) == 0
    assert sorted(path.name for path in (tmp_path / "out" / "logs").glob("*.png")) == [
        "validation-2.png",
        "validation-4.png",
    ]
    assert command.main(options(teacher, pictures, tmp_path / "plain", "--use_ema")) == 0
    assert same(student_of(tmp_path / "out"), student_of(tmp_path / "plain"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--prediction_type=v_prediction"], "teacher predicts epsilon"),
        (["--report_to=pigeon"], "pigeon"),
        (["--learning_rate=1e30", "--max_grad_norm=0", "--max_train_steps=9"], "not finite"),
    ],
)
def test_contradictions_are_said(
    tmp_path: Path, teacher: Path, pictures: Path, capsys: pytest.CaptureFixture[str], changes: list[str], message: str
) -> None:
    assert command.main(options(teacher, pictures, tmp_path / "out", *changes)) == 1
    assert message in capsys.readouterr().err


def test_no_model_no_data_and_another_layout_are_said(
    tmp_path: Path, teacher: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(options(tmp_path / "nowhere", pictures, tmp_path / "a")) == 1
    assert "nowhere" in capsys.readouterr().err
    assert command.main(options(teacher, tmp_path / "nothing", tmp_path / "b")) == 1
    assert "nothing is no folder here" in capsys.readouterr().err
    broken = image_folder(tmp_path / "broken", 2)
    for i in range(2):
        (broken / f"picture-{i}.png").write_bytes(b"no picture")
    assert command.main(options(teacher, broken, tmp_path / "c")) == 1
    assert "2 skipped: broken picture" in capsys.readouterr().err
    other = small_pipeline(tmp_path / "other", layers_per_block=1)
    assert command.main(options(other, pictures, tmp_path / "d")) == 1
    assert "2 layers a block" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(tmp_path: Path, teacher: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(options(teacher, Path("somewhere"), tmp_path / "out", "--dry_run")) == 0
    said = capsys.readouterr().out
    assert "teacher" in said and "together" in said and not (tmp_path / "out").exists()


def launch(*arguments: str, processes: int = 1) -> list[str]:
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    else:
        launcher = ["-m", "accelerate.commands.launch", "--mixed_precision=fp16", "--num_processes=1", "--cpu"]
    return [sys.executable, *launcher, "-m", "server_distill.distill", *arguments]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.mark.slow
def test_killed_at_any_instant_it_ends_in_the_same_bytes(tmp_path: Path, teacher: Path, pictures: Path) -> None:
    def arguments(output: Path) -> list[str]:
        extra = ["--use_ema", "--checkpointing_steps=2", "--max_train_steps=12", "--gradient_accumulation_steps=2"]
        return options(teacher, pictures, output, *extra)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(launch(*arguments(whole)), cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True)
    kills = 0
    for log_lines in (0, 3, 8):
        process = subprocess.Popen(
            launch(*arguments(killed)), cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.DEVNULL, start_new_session=True
        )
        log = killed / "logs" / "training.jsonl"
        while process.poll() is None and not (log.exists() and len(log.read_text().splitlines()) > log_lines):
            time.sleep(0.01)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 2
    subprocess.run(launch(*arguments(killed)), cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True)
    assert figures(whole) == figures(killed)
    assert same(student_of(whole), student_of(killed))


@pytest.mark.slow
def test_the_command_in_two_processes(tmp_path: Path, teacher: Path, pictures: Path) -> None:
    """Gradients of both processes' rows are averaged: as in one process that accumulates the two, but for rounding."""
    environment = {**ENVIRONMENT, "ACCELERATE_USE_CPU": "true"}
    two = launch(*options(teacher, pictures, tmp_path / "two", "--max_train_steps=2"), processes=2)
    subprocess.run(two, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert len(figures(tmp_path / "two")) == 2
    assert StableDiffusionPipeline.from_pretrained(tmp_path / "two", safety_checker=None)


@pytest.mark.slow
def test_as_the_owner_wrote_it(tmp_path: Path, pictures: Path) -> None:
    """On the default model; its last two levels differ in width, so without a level for equal ones."""
    model = ROOT / "models" / "default" / "teacher"
    command_line = launch(
        f"--pretrained_model_name_or_path={model}",
        f"--dataset_name={pictures}",
        "--resolution=128",
        "--center_crop",
        "--random_flip",
        "--train_batch_size=1",
        "--gradient_accumulation_steps=4",
        "--gradient_checkpointing",
        "--max_train_steps=3",
        "--distill_level=sd_small",
        "--prepare_unet=True",
        "--output_weight=0.5",
        "--feature_weight=0.5",
        "--learning_rate=1e-05",
        "--max_grad_norm=1",
        "--lr_scheduler=constant",
        "--lr_warmup_steps=0",
        f"--output_dir={tmp_path}",
    )
    result = subprocess.run(command_line, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "mixed precision fp16 needs a GPU" in result.stderr
    student = StableDiffusionPipeline.from_pretrained(tmp_path, safety_checker=None).unet
    teacher = UNet2DConditionModel.from_pretrained(model, subfolder="unet")
    assert student.num_parameters() < teacher.num_parameters() and student.mid_block is not None
