"""Command-line options that every training program shares, by the names that diffusers' example scripts gave them."""

from __future__ import annotations

import argparse
from pathlib import Path

from server_distill.training.optimizers import NAMES

WARMUP_STABLE_DECAY = "warmup_stable_decay"
SCHEDULERS = (
    "constant",
    "constant_with_warmup",
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    WARMUP_STABLE_DECAY,
)

OUTPUT_OPTIONS = ("output_dir", "resume_from_checkpoint", "checkpointing_steps", "checkpoints_total_limit")
TRACKING_OPTIONS = ("report_to", "logging_dir", "tracker_project_name", "push_to_hub", "hub_token", "hub_model_id")
VALIDATION_OPTIONS = (
    "validation_prompt",
    "validation_prompts",
    "validation_steps",
    "validation_epochs",
    "num_validation_images",
)
MACHINE_OPTIONS = (
    "dry_run",
    "max_minutes",
    "local_rank",
    "cache_dir",
    "latents_cache_dir",
    "sample_batch_size",
    "dataloader_num_workers",
    "set_grads_to_none",
    "no_safe_serialization",
)
OPTIMIZER_OPTIONS = (
    "learning_rate",
    "scale_lr",
    "lr_scheduler",
    "lr_warmup_steps",
    "lr_decay_steps",
    "optimizer",
    "use_8bit_adam",
    "adam_beta1",
    "adam_beta2",
    "adam_weight_decay",
    "adam_epsilon",
    "max_grad_norm",
    "max_train_steps",
    "num_train_epochs",
)
"""Options that decide what is made of a gradient, not what the gradient is."""
WITHOUT_EFFECT_ON_THE_RESULT = frozenset(OUTPUT_OPTIONS + TRACKING_OPTIONS + VALIDATION_OPTIONS + MACHINE_OPTIONS)
"""Options that may differ between a run and its resumption."""


def add_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--pretrained_model_name_or_path",
        required=True,
        metavar="MODEL",
        help="a diffusers Stable Diffusion pipeline: a folder, or a name on the hub where that can be reached",
    )
    group.add_argument("--revision", help="a hub model's revision")
    group.add_argument("--variant", help="which of a model's files: fp16 and the like")
    group.add_argument("--cache_dir", help="where the hub's files are kept")


def add_training_options(
    parser: argparse.ArgumentParser, *, learning_rate: float, batch: int, warmup: int = 500, seed: int | None = None
) -> None:
    """Steps, optimizer, precision, checkpoints, tracking and hub, with this program's own defaults."""
    group = parser.add_argument_group("steps")
    group.add_argument("--train_batch_size", type=int, default=batch, help="examples a process and micro-step")
    group.add_argument("--gradient_accumulation_steps", type=int, default=1, help="micro-steps an optimizer step")
    group.add_argument("--num_train_epochs", type=int, default=100, help="passes over the data, unless steps are given")
    group.add_argument("--max_train_steps", type=int, help="optimizer steps; overrides the epochs")
    group.add_argument("--max_minutes", type=float, help="save and stop after so long; run again to go on")
    group.add_argument("--seed", type=int, default=seed, help="equal seeds and settings give equal results")
    group.add_argument("--dry_run", action="store_true", help="say what would be done and how large it is, and stop")

    group = parser.add_argument_group("optimizer")
    group.add_argument("--learning_rate", type=float, default=learning_rate)
    group.add_argument(
        "--scale_lr", action="store_true", help="times batch size, accumulation steps and number of processes"
    )
    group.add_argument("--lr_scheduler", default="constant", choices=SCHEDULERS)
    group.add_argument("--lr_warmup_steps", type=int, default=warmup)
    group.add_argument(
        "--lr_decay_steps", type=int, help=f"last steps, in which {WARMUP_STABLE_DECAY} falls to 0; default: a quarter"
    )
    group.add_argument(
        "--optimizer",
        choices=NAMES,
        default="adamw",
        help="adafactor and adamw8bit hold less; muon often learns faster",
    )
    group.add_argument("--use_8bit_adam", action="store_true", help="the same as --optimizer=adamw8bit")
    group.add_argument("--adam_beta1", type=float, default=0.9)
    group.add_argument("--adam_beta2", type=float, default=0.999)
    group.add_argument("--adam_weight_decay", type=float, default=1e-2)
    group.add_argument("--adam_epsilon", type=float, default=1e-8)
    group.add_argument("--max_grad_norm", type=float, default=1.0, help="gradients are scaled down to it; 0: never")

    group = parser.add_argument_group("speed and memory")
    group.add_argument(
        "--mixed_precision",
        choices=("no", "fp16", "bf16"),
        help="default: what `accelerate launch` says; fp16 without a GPU becomes bf16, or float32 on a CPU without it",
    )
    group.add_argument("--gradient_checkpointing", action="store_true", help="recompute activations in backward")
    group.add_argument("--allow_tf32", action="store_true", help="TF32 products on NVIDIA GPUs")
    group.add_argument(
        "--enable_xformers_memory_efficient_attention",
        action="store_true",
        help="xformers' attention; without it PyTorch's own (SDPA), which needs no less memory",
    )
    group.add_argument("--set_grads_to_none", action="store_true", help="what happens anyway; kept for old commands")
    group.add_argument("--dataloader_num_workers", type=int, default=0, help="without effect: examples are cached")
    group.add_argument("--local_rank", type=int, default=-1, help="set by launchers")

    group = parser.add_argument_group("output and checkpoints")
    group.add_argument("--output_dir", type=Path, required=True)
    group.add_argument("--checkpointing_steps", type=int, default=500, help="steps between checkpoints")
    group.add_argument("--checkpoints_total_limit", type=int, help="older ones are removed, after the new one is whole")
    group.add_argument(
        "--resume_from_checkpoint",
        default="latest",
        metavar="PATH",
        help='a checkpoint-N folder; "latest" (the default) goes on from the last one there is; "none" starts over',
    )

    group = parser.add_argument_group("tracking and hub")
    group.add_argument(
        "--report_to",
        default="jsonl",
        help="besides logs/training.jsonl, which is always written: tensorboard, wandb, comet_ml or all",
    )
    group.add_argument("--logging_dir", default="logs", help="inside the output folder")
    group.add_argument("--tracker_project_name", default="likeness")
    group.add_argument("--push_to_hub", action="store_true", help="upload the result where the hub can be reached")
    group.add_argument("--hub_token")
    group.add_argument("--hub_model_id", help="default: the output folder's name")


def optimizer_name(args: argparse.Namespace) -> str:
    return "adamw8bit" if args.use_8bit_adam else args.optimizer


def result_settings(args: argparse.Namespace) -> dict[str, object]:
    """What must be equal for a checkpoint to be gone on from; at a constant rate, not how many steps will follow."""
    exempt = WITHOUT_EFFECT_ON_THE_RESULT
    if args.lr_scheduler.startswith("constant"):
        exempt = exempt | {"max_train_steps", "num_train_epochs"}
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(args).items()
        if name not in exempt
    }
