"""Distill the default teacher's UNet into the student that phones run.

    python -m server_distill.default_model.train_student --teacher=out/train/teacher --output_dir=out/train/student

BK-SDM's recipe (Kim et al. 2023): block removal, weights copied from the teacher, then the task's loss plus
distillation on the output and on every block's features, weights 0.5 and 0.5. It is what `server_distill.distill` does
for any model, with the default model's own examples, whose loss weighs the object more than what is behind it.
A student that says what its teacher says goes on without it (both weights 0). Resumable: run it again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from transformers import CLIPTextModel

from server_distill.default_model.cpu_speed import faster_precision, make_fast
from server_distill.default_model.exit_status import exit_status
from server_distill.default_model.latent_examples import LatentExamples
from server_distill.default_model.latent_perceptual_loss import LatentPerceptualLoss
from server_distill.default_model.pipeline import SCHEDULE, save_pipeline, start_from, write_figures
from server_distill.default_model.train_teacher import EMA_DECAY, add_default_model_options
from server_distill.distillation.block_removal import ALIASES, LEVELS, feature_pairs, make_student
from server_distill.distillation.feature_matching import FeatureMatching
from server_distill.training.load_part import load_part
from server_distill.training.loop import make_accelerator, train
from server_distill.training.trackers import mean_of_last


class StudentLosses:
    """`task`, `output`, `feature`, what `LatentPerceptualLoss` says, and their weighted sum `loss`, by micro-step."""

    def __init__(
        self,
        args: argparse.Namespace,
        accelerator: Accelerator,
        student: UNet2DConditionModel,
        teacher: UNet2DConditionModel,
        text: CLIPTextModel,
        examples: LatentExamples,
    ) -> None:
        self.args, self.accelerator, self.examples = args, accelerator, examples
        self.teacher, self.text = teacher.to(accelerator.device), text.to(accelerator.device)
        self.student: nn.Module = student
        self.schedule = DDIMScheduler(**SCHEDULE)
        self.matching = FeatureMatching(student, feature_pairs(student, args.level), relative=True)
        self.perceptual = LatentPerceptualLoss.from_options(args, accelerator, self.schedule)

    def prepare(self, student: nn.Module) -> None:
        self.student = student

    def losses(self, micro_step: int) -> Mapping[str, Tensor]:
        args = self.args
        batch = self.examples.batch(micro_step, args.train_batch_size, self.accelerator.process_index)
        batch = batch.to(self.accelerator.device)
        noisy = self.schedule.add_noise(batch.latents, batch.noise, batch.timesteps)
        target = self.schedule.get_velocity(batch.latents, batch.noise, batch.timesteps)
        with torch.no_grad():
            hidden = self.text(batch.token_ids).last_hidden_state
        with self.matching.student_runs():
            output = self.student(noisy, batch.timesteps, hidden, return_dict=False)[0].float()
        named = {"task": (batch.weight * (output - target).square()).mean()}
        loss = named["task"]
        if args.output_weight or args.feature_weight:
            with torch.no_grad(), self.matching.teacher_runs(self.teacher), self.accelerator.autocast():
                wanted = self.teacher(noisy, batch.timesteps, hidden, return_dict=False)[0].float()
            named["output"] = (batch.weight * (output - wanted).square()).mean()
            named["feature"] = self.matching.loss()
            loss = loss + args.output_weight * named["output"] + args.feature_weight * named["feature"]
        if self.perceptual is not None:
            named |= self.perceptual(batch, noisy, output, micro_step)
            loss = loss + named["looks"]
        return {"loss": loss, **named}


def train_student(args: argparse.Namespace) -> None:
    """The whole run. Raises CheckpointError, NotFiniteError or OSError with a message that says what to do."""
    begun = time.monotonic()
    pipeline = load_part(StableDiffusionPipeline, args.teacher, safety_checker=None, dtype=torch.float32)
    teacher, text = pipeline.unet.requires_grad_(False), pipeline.text_encoder.requires_grad_(False)
    examples = LatentExamples.from_options(args, pipeline.tokenizer)
    student = make_student(teacher, args.level).train()
    if args.start:
        start_from(student, args.start)
    precision = args.mixed_precision or faster_precision(student)
    make_fast(student, precision)
    make_fast(teacher, precision)
    accelerator = make_accelerator(args, precision, small=True)
    work = StudentLosses(args, accelerator, student, teacher, text, examples)
    average = EMAModel(student.parameters(), decay=EMA_DECAY)
    done = train(
        accelerator, args, student, work.losses, args.max_train_steps, prepare_losses=work.prepare, average=average
    )
    if accelerator.is_main_process:
        average.copy_to(student.parameters())
        save_pipeline(args.output_dir, args.vae, pipeline.tokenizer, text, student, examples.scaling_factor)
        recent = mean_of_last(args.output_dir / args.logging_dir, 300)
        names = [name for name in ("task", "output", "feature", "perceptual", "recognition") if name in recent]
        figures = {f"{name}_loss": round(recent[name], 5) for name in names}
        write_figures(args.output_dir, {"steps": done, "batch": args.train_batch_size, **figures}, begun)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_default_model_options(parser, learning_rate=4e-4, seed=77)
    parser.add_argument("--teacher", type=Path, default=Path("out/train/teacher"))
    parser.add_argument(
        "--level", choices=[*LEVELS, *ALIASES], default="bk_small", help="which of the teacher's blocks remain"
    )
    parser.add_argument("--output_weight", type=float, default=0.5, help="of the distance to the teacher's output")
    parser.add_argument("--feature_weight", type=float, default=0.5, help="and to its blocks' features")
    parser.set_defaults(lr_scheduler="linear")
    return exit_status(train_student, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
