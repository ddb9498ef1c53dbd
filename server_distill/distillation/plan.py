"""What a distillation run would do and need, without doing it."""

from __future__ import annotations

import argparse

import torch
from diffusers import UNet2DConditionModel

from server_distill.distillation.block_removal import make_student
from server_distill.training.options import optimizer_name
from server_distill.training.precision import mixed_precision

STATE_BYTES = {"adamw": 8.0, "adamw8bit": 2.03, "adafactor": 0.02, "muon": 4.0}
"""Bytes of optimizer state a weight, about."""


def print_plan(args: argparse.Namespace) -> None:
    """Sizes from the teacher's configuration alone: no weight is read. Raises OSError where there is none."""
    config = UNet2DConditionModel.load_config(
        args.pretrained_model_name_or_path, subfolder="unet", revision=args.revision
    )
    with torch.device("meta"):
        teacher = UNet2DConditionModel.from_config(config)
        student = make_student(teacher, args.distill_level)
    large, small = (sum(p.numel() for p in unet.parameters()) for unet in (teacher, student))
    precision = mixed_precision(args.mixed_precision) if args.teacher_precision == "auto" else args.teacher_precision
    held = 0.0 if args.cache_teacher else large * (2 if precision in ("fp16", "bf16") else 4)
    state = small * STATE_BYTES[optimizer_name(args)]
    rows = [
        ("teacher", f"{large:,} parameters, {precision}", held),
        ("student", f"{small:,} parameters, level {args.distill_level}", 4 * small),
        ("gradients", "", 4 * small),
        ("optimizer", optimizer_name(args), state),
    ]
    if args.use_ema:
        rows.append(("moving average", "", 4 * small))
    for name, what, size in rows:
        print(f"{name:<16}{size / 2**30:6.2f} GiB  {what}")
    print(f"{'together':<16}{sum(size for *_, size in rows) / 2**30:6.2f} GiB  and activations")
    data = args.dataset_name or f"the teacher's pictures of {args.class_prompts}"
    steps = args.max_train_steps or f"{args.num_train_epochs} epochs"
    print(f"data            {data}, at {args.resolution} pixels")
    print(f"steps           {steps} of {args.train_batch_size} × {args.gradient_accumulation_steps} × processes")
    print(f"result          {args.output_dir}, {4 * small / 2**30:.2f} GiB of UNet")
