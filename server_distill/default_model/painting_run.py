"""What the autoencoder's two trainings share: their options, and what they leave behind."""

from __future__ import annotations

import argparse

from diffusers import AutoencoderKL

from models.whole_files import whole_files
from server_distill.default_model.pipeline import write_figures
from server_distill.training.options import add_training_options
from server_distill.training.trackers import mean_of_last


def add_run_options(parser: argparse.ArgumentParser, *, warmup: int, seed: int, steps: int) -> None:
    """The training options, with the defaults that suit an autoencoder."""
    add_training_options(parser, learning_rate=5e-4, batch=8, warmup=warmup, seed=seed)
    parser.set_defaults(
        optimizer="muon",
        lr_scheduler="linear",
        adam_beta2=0.99,
        checkpointing_steps=200,
        checkpoints_total_limit=1,
        max_train_steps=steps,
    )


def save_autoencoder(args: argparse.Namespace, vae: AutoencoderKL, done: int, begun: float) -> None:
    """`vae` into the output folder, and the means of the last hundred of `done` steps beside it."""
    with whole_files(args.output_dir / "vae", last="config.json") as temporary:
        vae.save_pretrained(temporary)
    recent = mean_of_last(args.output_dir / args.logging_dir, 100)
    named = ("square", "absolute", "perceptual", "recognition", "critic", "drift", "stiffness", "psnr")
    figures = {name: round(recent[name], 5) for name in named if name in recent}
    write_figures(args.output_dir, {"steps": done, "batch": args.train_batch_size, **figures}, begun)
