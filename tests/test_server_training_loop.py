"""The loop behind every training program: resumption to the same bytes, accumulation, checkpoints, processes."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from diffusers.training_utils import EMAModel
from torch import nn

from server_distill.training import checkpoints
from server_distill.training.loop import NotFiniteError, draw, make_accelerator, steps_to_take, train
from server_distill.training.options import add_training_options

ROOT = Path(__file__).parents[1]


class Regression:
    """y = W·x on random x, with a loss that is a function of the micro-step alone."""

    def __init__(self, args: argparse.Namespace, poison: int | None = None) -> None:
        self.args, self.poison = args, poison
        torch.manual_seed(3)
        self.model = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 2))
        self.model[0].requires_grad_(False)
        self.wanted = torch.randn(2, 6)
        self.prepared: nn.Module = self.model
        self.accelerator = make_accelerator(args)

    def losses(self, micro_step: int) -> dict[str, torch.Tensor]:
        x = torch.randn(
            self.args.train_batch_size, 6, generator=draw(self.args.seed, micro_step, self.accelerator.process_index)
        )
        loss = (self.prepared(x) - x @ self.wanted.T).square().mean()
        return {"loss": loss * float("nan") if micro_step == self.poison else loss, "twice": 2 * loss.detach()}

    def prepare(self, module: nn.Module) -> None:
        self.prepared = module

    def run(self, steps: int, **more: object) -> int:
        return train(self.accelerator, self.args, self.model, self.losses, steps, prepare_losses=self.prepare, **more)


def options(folder: Path, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_training_options(parser, learning_rate=1e-2, batch=4, warmup=0, seed=5)
    return parser.parse_args(["--output_dir", str(folder), *more])


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "logs" / "training.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "adamw8bit", "muon"])
def test_a_resumed_run_ends_in_the_same_bytes(tmp_path: Path, optimizer: str) -> None:
    extra = ("--optimizer", optimizer, "--lr_scheduler", "cosine", "--gradient_accumulation_steps", "2")
    whole = Regression(options(tmp_path / "whole", *extra))
    average = EMAModel(whole.model.parameters(), decay=0.9)
    assert whole.run(7, average=average) == 7

    parts = options(tmp_path / "parts", *extra, "--checkpointing_steps", "3")
    first = Regression(parts)
    stopped = iter(range(100))

    def losses(micro_step: int) -> dict[str, torch.Tensor]:
        if next(stopped) == 10:
            raise KeyboardInterrupt  # a kill: nothing after this instant is saved
        return first.losses(micro_step)

    with pytest.raises(KeyboardInterrupt):
        train(
            first.accelerator,
            parts,
            first.model,
            losses,
            7,
            prepare_losses=first.prepare,
            average=EMAModel(first.model.parameters(), decay=0.9),
        )
    assert [path.name for path in checkpoints.checkpoints(tmp_path / "parts")] == ["checkpoint-3"]
    assert len(lines(tmp_path / "parts")) == 5

    second = Regression(parts)
    other = EMAModel(second.model.parameters(), decay=0.9)
    assert second.run(7, average=other) == 7
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")
    for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(average.shadow_params, other.shadow_params, strict=True):
        assert torch.equal(a, b)


def test_accumulated_micro_steps_equal_one_large_batch(tmp_path: Path) -> None:
    """Same rows, so the same mean gradient up to the order of additions."""
    small = Regression(options(tmp_path / "a", "--gradient_accumulation_steps", "3"))
    small.run(1)
    large = Regression(options(tmp_path / "b", "--train_batch_size", "12"))
    x = torch.cat([torch.randn(4, 6, generator=draw(5, i, 0)) for i in range(3)])

    def losses(_: int) -> dict[str, torch.Tensor]:
        return {"loss": (large.prepared(x) - x @ large.wanted.T).square().mean()}

    train(large.accelerator, large.args, large.model, losses, 1, prepare_losses=large.prepare)
    assert torch.allclose(small.model[1].weight, large.model[1].weight, atol=1e-6)
    assert lines(tmp_path / "a")[0]["loss"] == pytest.approx(lines(tmp_path / "b")[0]["loss"], rel=1e-6)


def test_checkpoints_hold_only_what_is_trained_and_no_more_than_the_limit(tmp_path: Path) -> None:
    run = Regression(options(tmp_path, "--checkpointing_steps", "1", "--checkpoints_total_limit", "2"))
    run.run(4)
    assert [path.name for path in checkpoints.checkpoints(tmp_path)] == ["checkpoint-3", "checkpoint-4"]
    from safetensors.torch import load_file

    assert load_file(tmp_path / "checkpoint-4" / "trained_0.safetensors").keys() == {"1.weight", "1.bias"}


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    Regression(options(tmp_path)).run(2)
    with pytest.raises(checkpoints.CheckpointError, match=r"learning_rate was 0\.01, is 0\.5"):
        Regression(options(tmp_path, "--learning_rate", "0.5")).run(3)
    Regression(options(tmp_path, "--learning_rate", "0.5", "--resume_from_checkpoint", "none")).run(3)


@pytest.mark.parametrize("name", ["trained_0.safetensors", "optimizer.bin", "settings.json"])
def test_a_truncated_checkpoint_is_named(tmp_path: Path, name: str) -> None:
    Regression(options(tmp_path)).run(2)
    path = tmp_path / "checkpoint-2" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(checkpoints.CheckpointError, match="checkpoint-2 is damaged"):
        Regression(options(tmp_path)).run(3)


def test_a_full_disk_leaves_the_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Regression(options(tmp_path, "--checkpointing_steps", "2"))
    save_state = run.accelerator.save_state

    def full(folder: str) -> None:
        save_state(folder)
        if "checkpoint-4" in folder:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(run.accelerator, "save_state", full)
    with pytest.raises(checkpoints.CheckpointError, match="No space left.*make room"):
        run.run(6)
    assert [path.name for path in tmp_path.glob("*checkpoint*")] == ["checkpoint-2"]


def test_a_loss_that_is_not_finite_stops_before_it_changes_anything(tmp_path: Path) -> None:
    run = Regression(options(tmp_path), poison=2)
    with pytest.raises(NotFiniteError, match="step 3"):
        run.run(5)
    assert all(torch.isfinite(p).all() for p in run.model.parameters())


def test_epochs_make_steps(tmp_path: Path) -> None:
    args = options(tmp_path, "--num_train_epochs", "3", "--gradient_accumulation_steps", "2")
    assert steps_to_take(args, examples=17, processes=2) == 6
    args.max_train_steps = 4
    assert steps_to_take(args, examples=17, processes=2) == 4


def test_draws_differ_between_steps_and_processes() -> None:
    def value(*key: int) -> float:
        return torch.rand(1, generator=draw(*key)).item()

    assert len({value(0, 0, 0), value(0, 1, 0), value(0, 0, 1), value(1, 0, 0)}) == 4
    assert value(7, 8, 9) == value(7, 8, 9)


CONFIGURATIONS = sorted((ROOT / "server_distill" / "accelerate_configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_accelerate_reads_the_shown_configurations(path: Path) -> None:
    """Every key is one of accelerate's: it raises for others."""
    config = load_config_from_file(str(path))
    assert config.num_processes >= 2 and config.mixed_precision in ("fp16", "bf16")


TWO_PROCESSES = """
import sys, torch
from pathlib import Path
from tests.test_server_training_loop import Regression, options
run = Regression(options(Path(sys.argv[1])))
run.run(3)
torch.save(run.model.state_dict(), f"{sys.argv[1]}/weights-{run.accelerator.process_index}.pt")
"""


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    """Gradients are averaged over processes: both end with the same weights, those of one batch of both's rows."""
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    result = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr[-2000:]
    first, second = (torch.load(tmp_path / f"weights-{i}.pt") for i in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)

    alone = Regression(options(tmp_path / "alone", "--train_batch_size", "8"))

    def losses(step: int) -> dict[str, torch.Tensor]:
        x = torch.cat([torch.randn(4, 6, generator=draw(5, step, process)) for process in (0, 1)])
        return {"loss": (alone.prepared(x) - x @ alone.wanted.T).square().mean()}

    train(alone.accelerator, alone.args, alone.model, losses, 3, prepare_losses=alone.prepare)
    assert torch.allclose(alone.model[1].weight, first["1.weight"], atol=1e-5)
