"""The loop that every training program runs: micro-steps, accumulation, clipping, EMA, checkpoints, tracking.

It goes through accelerate, so `accelerate launch` spreads it over processes and machines. Which examples, noise and
timesteps a micro-step gets is a function of the seed, the micro-step's number and the process alone (`draw`); there is
no data loader whose state could be lost, and a run that was killed ends in the same bytes as one that was not.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration, set_seed
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm
from transformers import get_wsd_schedule

from server_distill.training import checkpoints
from server_distill.training.host_memory import give_back_freed_tensors, keep_freed_tensors
from server_distill.training.optimizers import make_optimizer
from server_distill.training.options import WARMUP_STABLE_DECAY, optimizer_name, result_settings
from server_distill.training.precision import mixed_precision
from server_distill.training.state import StopRequest
from server_distill.training.trackers import RunLog, available, log_pictures

Losses = Callable[[int], Mapping[str, Tensor]]
"""Number of the micro-step → named scalars; the one called `loss` is minimized, all are logged."""


class NotFiniteError(RuntimeError):
    """Training diverged."""


def make_accelerator(args: argparse.Namespace, precision: str | None = None, *, small: bool = False) -> Accelerator:
    """An accelerator with the trackers that can be used here, and the run's precision unless another is chosen.

    `small`: the run leaves a CPU's memory to spare. Freed tensors then stay the process's: giving each back costs a
    page fault for every 4 KiB of the next.
    """
    if args.allow_tf32:
        torch.backends.cuda.matmul.allow_tf32 = True
    folder: Path = args.output_dir
    project = ProjectConfiguration(project_dir=str(folder), logging_dir=str(folder / args.logging_dir))
    accelerator = Accelerator(
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        mixed_precision=mixed_precision(precision or args.mixed_precision),
        log_with=available(args.report_to, args.output_dir / args.logging_dir) or None,
        project_config=project,
    )
    if accelerator.device.type == "cpu" and small:
        keep_freed_tensors()
    elif accelerator.device.type == "cpu":
        give_back_freed_tensors()
    if args.seed is not None:
        set_seed(args.seed)
    return accelerator


def draw(seed: int | None, micro_step: int, process: int) -> torch.Generator:
    """The source of everything random in one micro-step of one process."""
    mixed = (seed or 0) * 0x9E3779B97F4A7C15 + micro_step * 0xBF58476D1CE4E5B9 + process * 0x94D049BB133111EB
    return torch.Generator().manual_seed(mixed % 2**63)


def steps_to_take(args: argparse.Namespace, examples: int, processes: int) -> int:
    """Optimizer steps: those asked for, or what the epochs over `examples` make."""
    if args.max_train_steps is not None:
        return args.max_train_steps
    a_step = args.train_batch_size * args.gradient_accumulation_steps * processes
    return args.num_train_epochs * math.ceil(examples / a_step)


def learning_rate(args: argparse.Namespace, processes: int, rows_an_example: int = 1) -> float:
    """`--learning_rate`, multiplied with `--scale_lr` as diffusers' scripts do."""
    if not args.scale_lr:
        return args.learning_rate
    return args.learning_rate * args.gradient_accumulation_steps * args.train_batch_size * processes * rows_an_example


def rate_schedule(args: argparse.Namespace, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    """What `--lr_scheduler` names, over `steps` optimizer steps."""
    if args.lr_scheduler == WARMUP_STABLE_DECAY:
        falling = steps // 4 if args.lr_decay_steps is None else args.lr_decay_steps
        return get_wsd_schedule(optimizer, args.lr_warmup_steps, falling, num_training_steps=steps, decay_type="linear")
    return get_scheduler(args.lr_scheduler, optimizer, num_warmup_steps=args.lr_warmup_steps, num_training_steps=steps)


def train(
    accelerator: Accelerator,
    args: argparse.Namespace,
    trained: nn.Module,
    losses: Losses,
    steps: int,
    *,
    prepare_losses: Callable[[nn.Module], None],
    groups: list[dict[str, Any]] | None = None,
    average: EMAModel | None = None,
    rows_an_example: int = 1,
    after_backward: Callable[[], None] | None = None,
    validate: Callable[[int], tuple[list[Any], list[str]]] | None = None,
    validate_every: int = 0,
    settings: Mapping[str, object] | None = None,
) -> int:
    """Take optimizer steps until `steps` are done, the time is up or a signal asks to stop; returns how many are done.

    `trained`: every parameter of it that requires a gradient is changed, unless `groups` gives the optimizer's own.
    `prepare_losses` gets the module as accelerate prepared it, which `losses` must call.
    `average` follows all of the module's parameters. `after_backward` may change gradients before they are clipped.
    `validate` draws pictures (uint8 (H, W, 3)) and names their prompts.
    `settings` beyond the options' that a checkpoint must agree with.

    A checkpoint is written every `--checkpointing_steps`, at the end and when stopped. Raises CheckpointError, and
    NotFiniteError before anything is changed by a loss that is not finite.
    """
    rate = learning_rate(args, accelerator.num_processes, rows_an_example)
    parameters = [p for p in trained.parameters() if p.requires_grad]
    betas = (args.adam_beta1, args.adam_beta2)
    optimizer = make_optimizer(
        optimizer_name(args), groups or parameters, rate, betas, args.adam_weight_decay, args.adam_epsilon
    )
    schedule = rate_schedule(args, optimizer, steps)
    trained, optimizer = accelerator.prepare(trained, optimizer)
    prepare_losses(trained)
    checkpoints.hold_only_what_is_trained(accelerator)
    accelerator.register_for_checkpointing(schedule)
    if average is not None:
        accelerator.register_for_checkpointing(average)
    agreed = {**result_settings(args), **(settings or {}), "processes": accelerator.num_processes}

    output: Path = args.output_dir
    step = 0
    if checkpoint := checkpoints.find(output, args.resume_from_checkpoint):
        step = checkpoints.load(accelerator, checkpoint, agreed)
        accelerator.print(f"goes on from {checkpoint}")
    if average is not None:
        average.to(accelerator.device)  # it was made, or loaded, where the weights were before
    log = RunLog(output / args.logging_dir, step) if accelerator.is_main_process else None
    if accelerator.trackers == [] and accelerator.log_with:
        accelerator.init_trackers(args.tracker_project_name)

    stop, begun, saved = StopRequest(), time.monotonic(), step
    limit = math.inf if args.max_minutes is None else 60 * args.max_minutes
    bar = tqdm(total=steps, initial=step, desc="training", unit=" steps", disable=not accelerator.is_main_process)
    while step < steps and not _stops(accelerator, bool(stop) or time.monotonic() - begun > limit):
        sums: dict[str, float] = {}
        for part in range(args.gradient_accumulation_steps):
            with accelerator.accumulate(trained):
                named = losses(step * args.gradient_accumulation_steps + part)
                _check_finite(accelerator, named, step)
                accelerator.backward(named["loss"])
                if accelerator.sync_gradients:
                    if after_backward is not None:
                        after_backward()
                    if args.max_grad_norm:
                        accelerator.clip_grad_norm_(parameters, args.max_grad_norm)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            for name, value in named.items():
                sums[name] = sums.get(name, 0.0) + value.item() / args.gradient_accumulation_steps
        schedule.step()
        step += 1
        if average is not None:
            average.step(trained.parameters())
        _report(accelerator, log, step, {**sums, "lr": float(schedule.get_last_lr()[0])})
        bar.update()
        bar.set_postfix(loss=f"{sums['loss']:.4f}")
        if step % args.checkpointing_steps == 0 and step < steps:
            saved = step
            checkpoints.save(accelerator, output, step, agreed, args.checkpoints_total_limit)
        if validate is not None and validate_every and (step % validate_every == 0 or step == steps):
            _show(accelerator, log, step, *validate(step))
    if step > saved:
        checkpoints.save(accelerator, output, step, agreed, args.checkpoints_total_limit)
    bar.close()
    return step


def _stops(accelerator: Accelerator, wanted: bool) -> bool:
    """Whether any process wants to stop: all must, or the others would wait for it forever."""
    if accelerator.num_processes == 1:
        return wanted
    flag = torch.tensor([float(wanted)], device=accelerator.device)
    return bool(accelerator.reduce(flag, "sum").item())


def _check_finite(accelerator: Accelerator, named: Mapping[str, Tensor], step: int) -> None:
    wrong = [name for name, value in named.items() if not torch.isfinite(value)]
    if wrong and accelerator.mixed_precision != "fp16":  # its gradient scaler skips such a step by itself
        raise NotFiniteError(
            f"{', '.join(wrong)} is not finite in step {step + 1}: lower --learning_rate, or go on from an earlier "
            "checkpoint with another --seed"
        )


def _report(accelerator: Accelerator, log: RunLog | None, step: int, figures: Mapping[str, float]) -> None:
    if log is not None:
        log.write(step, figures)
    accelerator.log(dict(figures), step=step)


def _show(accelerator: Accelerator, log: RunLog | None, step: int, pictures: list[Any], prompts: list[str]) -> None:
    if log is not None and pictures:
        log.pictures(step, pictures, prompts)
        log_pictures(accelerator, step, pictures)
