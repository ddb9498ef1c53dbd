"""Checkpoints of a training run: folders `checkpoint-N`, each whole or absent, that say which settings made them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from accelerate import Accelerator, DistributedType
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.whole_files import sync

SETTINGS = "settings.json"
NAME = re.compile(r"checkpoint-(\d+)")


class CheckpointError(RuntimeError):
    """A checkpoint can't be written, or it or what a training starts from can't be read; the message says why and what
    to do."""


def step_of(folder: Path) -> int:
    """N of `checkpoint-N`. Raises CheckpointError for another name."""
    found = NAME.fullmatch(folder.name)
    if found is None:
        raise CheckpointError(f"{folder} is no checkpoint: its name should be checkpoint-N")
    return int(found[1])


def checkpoints(output: Path) -> list[Path]:
    """All of a run's, oldest first."""
    found = [path for path in output.glob("checkpoint-*") if NAME.fullmatch(path.name)]
    return sorted(found, key=step_of)


def find(output: Path, asked: str | None) -> Path | None:
    """The folder that `--resume_from_checkpoint` means, or None to start from nothing."""
    if asked is None or asked == "none":
        return None
    if asked == "latest":
        return next(reversed(checkpoints(output)), None)
    for folder in (Path(asked), output / asked):
        if folder.is_dir():
            return folder
    raise CheckpointError(f"there is no checkpoint {asked}")


def hold_only_what_is_trained(accelerator: Accelerator) -> None:
    """Let checkpoints leave out the prepared modules' frozen weights: they lie in the model that was started from.

    Where weights or optimizer state are split over processes (FSDP, DeepSpeed), accelerate's own checkpoints stay.
    """
    if accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        return

    def write(models: list[nn.Module], weights: list[dict[str, Tensor]], folder: str) -> None:
        weights.clear()  # what accelerate itself would write
        if accelerator.is_main_process:
            for i, model in enumerate(models):
                trained = _trained(accelerator.unwrap_model(model))
                contiguous = {name: tensor.contiguous() for name, tensor in trained.items()}
                save_file(contiguous, Path(folder) / f"trained_{i}.safetensors")

    def read(models: list[nn.Module], folder: str) -> None:
        for i, model in enumerate(models):
            stored = load_file(Path(folder) / f"trained_{i}.safetensors")
            own = _trained(accelerator.unwrap_model(model))
            if stored.keys() != own.keys():
                raise ValueError(f"it holds other weights: {sorted(stored.keys() ^ own.keys())[:3]}")
            with torch.no_grad():
                for name, parameter in own.items():
                    parameter.copy_(stored[name])
        models.clear()

    accelerator.register_save_state_pre_hook(write)
    accelerator.register_load_state_pre_hook(read)


def _trained(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.data for name, parameter in model.named_parameters() if parameter.requires_grad}


def save(accelerator: Accelerator, output: Path, step: int, settings: Mapping[str, object], limit: int | None) -> Path:
    """Write `checkpoint-<step>`, flush it to disk, rename it into place, then remove what exceeds `limit`.

    Called on every process; the first one writes. Raises CheckpointError where the disk is full: earlier ones stay.
    """
    folder, temporary = output / f"checkpoint-{step}", output / f".checkpoint-{step}.tmp"
    if accelerator.is_main_process:
        shutil.rmtree(temporary, ignore_errors=True)
    accelerator.wait_for_everyone()
    try:
        accelerator.save_state(str(temporary))
        if accelerator.is_main_process:
            text = json.dumps({"step": step, "settings": settings}, indent=1) + "\n"
            (temporary / SETTINGS).write_text(text)
            for path in temporary.rglob("*"):
                sync(path)
    except (OSError, RuntimeError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise CheckpointError(
            f"checkpoint {folder} can't be written ({error}). Earlier checkpoints are whole: make room and run the "
            "same command again"
        ) from error
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
        if limit is not None:
            for old in checkpoints(output)[: -max(1, limit)]:
                shutil.rmtree(old)
    accelerator.wait_for_everyone()
    return folder


def load(accelerator: Accelerator, folder: Path, settings: Mapping[str, object]) -> int:
    """Restore everything that was prepared or registered; returns the step.

    Raises CheckpointError where the checkpoint is damaged, or was made with settings that differ (it names them).
    """
    step = step_of(folder)
    try:
        saved = json.loads((folder / SETTINGS).read_text())["settings"]
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{folder} is damaged ({error}): remove it, and an earlier one is used") from error
    now = json.loads(json.dumps(dict(settings)))
    different = [
        f"{name} was {saved.get(name)!r}, is {now.get(name)!r}"
        for name in sorted({*saved, *now})
        if saved.get(name) != now.get(name)
    ]
    if different:
        raise CheckpointError(
            f"{folder} was made with other settings: {'; '.join(different)}. Give the same again, or another "
            "--output_dir, or --resume_from_checkpoint=none to start over"
        )
    try:
        accelerator.load_state(str(folder))
    except (OSError, RuntimeError, SafetensorError, UnpicklingError, EOFError, KeyError, ValueError) as error:
        raise CheckpointError(f"{folder} is damaged ({error}): remove it, and an earlier one is used") from error
    return step
