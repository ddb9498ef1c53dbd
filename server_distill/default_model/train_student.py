"""Distill the default teacher's UNet into the student that phones run.

    python -m server_distill.default_model.train_student --teacher out/train/teacher --output out/train/student

BK-SDM's recipe (Kim et al. 2023): block removal, weights copied from the teacher, then the task's loss plus
distillation on the output and on every block's features, weights 0.5 and 0.5. Resumable: run it again.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from tqdm import tqdm

from server_distill.default_model.cpu_speed import bf16_is_faster, prepare
from server_distill.default_model.train_teacher import SCHEDULE, Example, save_pipeline
from server_distill.distillation.block_removal import ALIASES, LEVELS, feature_pairs, make_student
from server_distill.training.state import StopRequest, load_state, save_state


class BlockFeatures:
    """Keeps the hidden states that the named modules of one network put out in its last call."""

    def __init__(self, unet: UNet2DConditionModel, names: Iterable[str]) -> None:
        self.outputs: dict[str, torch.Tensor] = {}
        for name in names:
            unet.get_submodule(name).register_forward_hook(self._keep(name))

    def _keep(self, name: str):  # type: ignore[no-untyped-def]
        def hook(_module: torch.nn.Module, _inputs: object, output: torch.Tensor | tuple) -> None:
            self.outputs[name] = (output[0] if isinstance(output, tuple) else output).float()

        return hook


def feature_loss(teacher: BlockFeatures, student: BlockFeatures, pairs: dict[str, str]) -> torch.Tensor:
    """Mean squared distance of block outputs, student's → teacher's names in `pairs`, each relative to the teacher's
    own power, so that no block drowns another.
    """
    features = [(student.outputs[own], teacher.outputs[wanted]) for own, wanted in pairs.items()]
    return torch.stack([F.mse_loss(s, t) / t.square().mean().clamp_min(1e-6) for s, t in features]).mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, default=Path("out/train/teacher"))
    parser.add_argument("--vae", type=Path, default=Path("out/train/vae"))
    parser.add_argument("--data", type=Path, default=Path("out/train/latents.pt"))
    parser.add_argument("--output", type=Path, default=Path("out/train/student"))
    parser.add_argument("--start", type=Path, help="go on from this student's weights instead of the teacher's blocks")
    parser.add_argument(
        "--level", choices=[*LEVELS, *ALIASES], default="bk_small", help="which of the teacher's blocks remain"
    )
    parser.add_argument("--minutes", type=float, default=math.inf, help="how long this run trains at most")
    parser.add_argument("--steps", type=int, default=1500, help="stop for good at this step")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--learning-rate", type=float, default=4e-4)
    parser.add_argument(
        "--bf16", action=argparse.BooleanOptionalAction, help="UNets in bf16 (autocast); otherwise what is faster here"
    )
    parser.add_argument("--output-weight", type=float, default=0.5)
    parser.add_argument("--feature-weight", type=float, default=0.5)
    parser.add_argument("--save-every", type=float, default=5, help="minutes between checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    cache = load_state(args.data)
    if cache is None:
        parser.error(f"{args.data} is missing: run `python -m server_distill.default_model.cache_latents` first")
    pipeline = StableDiffusionPipeline.from_pretrained(args.teacher, safety_checker=None)
    teacher, text, tokenizer = pipeline.unet.requires_grad_(False), pipeline.text_encoder, pipeline.tokenizer
    student = make_student(teacher, args.level)
    if args.start:
        started = UNet2DConditionModel.from_pretrained(args.start / "unet", torch_dtype=torch.float32)
        student.load_state_dict(started.state_dict())
    empty = tokenizer("", padding="max_length", return_tensors="pt").input_ids[0]
    examples = Example(cache, empty, args.seed + 77)
    checkpoint = args.output / "checkpoint.pt"
    bf16 = bf16_is_faster(student) if args.bf16 is None else args.bf16
    precision = prepare(student, bf16)
    prepare(teacher, bf16)
    average = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.AdamW(
        student.parameters(), lr=args.learning_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
    )
    step, seconds = 0, 0.0
    if state := load_state(checkpoint):
        student.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, seconds = state["step"], state["seconds"]
    pairs = feature_pairs(student, args.level)
    of_teacher, of_student = BlockFeatures(teacher, pairs.values()), BlockFeatures(student, pairs)
    schedule = DDIMScheduler(**SCHEDULE)
    stop, begun = StopRequest(), seconds
    start = last = time.monotonic()
    running: list[tuple[float, float, float]] = []

    def save() -> None:
        save_state(
            checkpoint,
            {
                "model": student.state_dict(),
                "average": average.state_dict(),
                "step": step,
                "optimizer": optimizer.state_dict(),
                "seconds": seconds,
            },
        )
        save_pipeline(args.output, args.vae, tokenizer, text, average, cache["scaling_factor"])
        task, output, feature = (round(float(v), 5) for v in np.mean(running[-300:], axis=0)) if running else (0, 0, 0)
        figures = {
            "steps": step,
            "batch": args.batch,
            "seconds": round(seconds),
            "task_loss": task,
            "output_loss": output,
            "feature_loss": feature,
        }
        (args.output / "training.json").write_text(json.dumps(figures) + "\n")

    bar = tqdm(total=args.steps, initial=step, desc="training", unit=" steps", disable=None)
    while step < args.steps and time.monotonic() - start < args.minutes * 60 and not stop:
        for group in optimizer.param_groups:
            group["lr"] = args.learning_rate * min(1, (step + 1) / 200) * max(0.02, 1 - step / args.steps)
        latents, ids, weight, noise, timesteps = examples.batch(step, args.batch)
        noisy = schedule.add_noise(latents, noise, timesteps)
        target = schedule.get_velocity(latents, noise, timesteps)
        with torch.no_grad():
            hidden = text(ids).last_hidden_state
            with precision:
                wanted = teacher(noisy, timesteps, hidden, return_dict=False)[0].float()
        with precision:
            output = student(noisy, timesteps, hidden, return_dict=False)[0].float()
        task = (weight * (output - target).square()).mean()
        imitation = (weight * (output - wanted).square()).mean()
        features = feature_loss(of_teacher, of_student, pairs)
        loss = task + args.output_weight * imitation + args.feature_weight * features
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        running.append((task.item(), imitation.item(), features.item()))
        step += 1
        bar.update()
        decay = min(0.998, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(student.parameters()), 1 - decay)
        seconds = begun + time.monotonic() - start
        if step % 100 == 0:
            shown = " ".join(f"{v:.4f}" for v in np.mean(running[-100:], axis=0))
            tqdm.write(f"step {step} task/output/feature loss {shown} {seconds:.0f}s", file=sys.stderr)
        if time.monotonic() - last > args.save_every * 60:
            last = time.monotonic()
            save()
    save()


if __name__ == "__main__":
    main()
