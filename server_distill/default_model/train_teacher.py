"""Train the default teacher: text encoder and UNet on cached latents, from nothing, on a CPU.

    python -m server_distill.default_model.train_teacher --max_train_steps=5000 --output_dir=out/train/teacher

Resumable: run it again and it goes on from its checkpoint. Without one, `--start=models/default/teacher` goes on from
shipped weights, on any machine: averaged, fp16, and with a fresh optimizer, which costs a little at first. The result
is an ordinary diffusers pipeline folder holding the averaged (EMA) weights, written whenever a run ends, be it only
that its minutes are over.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from server_distill.default_model.cpu_speed import faster_precision, make_fast
from server_distill.default_model.exit_status import exit_status
from server_distill.default_model.latent_examples import LatentExamples
from server_distill.default_model.latent_perceptual_loss import LatentPerceptualLoss, add_looks_options
from server_distill.default_model.pipeline import SCHEDULE, UNET, save_pipeline, start_from, write_figures
from server_distill.default_model.pretrain_text import new_text_encoder, object_targets, pretrain_text
from server_distill.training.checkpoints import find
from server_distill.training.load_part import load_part
from server_distill.training.loop import make_accelerator, train
from server_distill.training.options import add_training_options
from server_distill.training.trackers import mean_of_last

TEXT_RATE = 0.5
"""The text encoder's learning rate, relative to the UNet's: it had a training of its own."""
EMA_DECAY = 0.998


class TextAndUNet(nn.Module):
    """Both trained as one: noisy latents (B, 4, h, w), timesteps (B,), token ids (B, n) → prediction (B, 4, h, w)."""

    def __init__(self, text: CLIPTextModel, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.text, self.unet = text, unet

    def forward(self, noisy: Tensor, timesteps: Tensor, token_ids: Tensor) -> Tensor:
        with torch.autocast(noisy.device.type, enabled=False):  # small, and its states are what all else reads
            hidden = self.text(token_ids).last_hidden_state
        return self.unet(noisy, timesteps, hidden, return_dict=False)[0]


class TeacherLosses:
    """`task`, the weighted squared error of v, what `LatentPerceptualLoss` says, and the sum `loss`, by micro-step."""

    def __init__(
        self, args: argparse.Namespace, accelerator: Accelerator, model: nn.Module, examples: LatentExamples
    ) -> None:
        self.args, self.accelerator, self.model, self.examples = args, accelerator, model, examples
        self.schedule = DDIMScheduler(**SCHEDULE)
        self.perceptual = LatentPerceptualLoss.from_options(args, accelerator, self.schedule)

    def prepare(self, model: nn.Module) -> None:
        self.model = model

    def losses(self, micro_step: int) -> Mapping[str, Tensor]:
        size = self.args.train_batch_size
        batch = self.examples.batch(micro_step, size, self.accelerator.process_index).to(self.accelerator.device)
        noisy = self.schedule.add_noise(batch.latents, batch.noise, batch.timesteps)
        target = self.schedule.get_velocity(batch.latents, batch.noise, batch.timesteps)
        output = self.model(noisy, batch.timesteps, batch.token_ids).float()
        loss = task = (batch.weight * (output - target).square()).mean()
        named = {"task": task}
        if self.perceptual is not None:
            named |= self.perceptual(batch, noisy, output, micro_step)
            loss = loss + named["looks"]
        return {"loss": loss, **named}


def new_or_started(args: argparse.Namespace, tokenizer: CLIPTokenizer) -> TextAndUNet:
    """Both networks as `--start` has them; else new ones, the text encoder pretrained unless a checkpoint follows."""
    torch.manual_seed(args.seed)
    text, unet = new_text_encoder(tokenizer), UNet2DConditionModel(**UNET)
    if args.start:
        text = load_part(CLIPTextModel, args.start / "text_encoder", dtype=torch.float32)
        start_from(unet, args.start)
    elif find(args.output_dir, args.resume_from_checkpoint) is None:
        vae = load_part(AutoencoderKL, args.vae).eval()
        targets = object_targets(args.output_dir / "object_targets.pt", vae)
        pretrain_text(text, tokenizer, targets, args.text_steps, args.seed)
    return TextAndUNet(text, unet).train()


def train_teacher(args: argparse.Namespace) -> None:
    """The whole run. Raises CheckpointError, NotFiniteError or OSError with a message that says what to do."""
    begun = time.monotonic()
    tokenizer = load_part(CLIPTokenizer, args.tokenizer)
    examples = LatentExamples.from_options(args, tokenizer)
    model = new_or_started(args, tokenizer)
    precision = args.mixed_precision or faster_precision(model.unet)
    make_fast(model.unet, precision)
    accelerator = make_accelerator(args, precision, small=True)
    work = TeacherLosses(args, accelerator, model, examples)
    average = EMAModel(model.parameters(), decay=EMA_DECAY)
    groups = [
        {"params": list(model.text.parameters()), "lr": TEXT_RATE * args.learning_rate, "elementwise": True},
        {"params": list(model.unet.parameters())},
    ]
    steps = args.max_train_steps
    done = train(
        accelerator, args, model, work.losses, steps, prepare_losses=work.prepare, groups=groups, average=average
    )
    if accelerator.is_main_process:
        average.copy_to(model.parameters())
        save_pipeline(args.output_dir, args.vae, tokenizer, model.text, model.unet, examples.scaling_factor)
        recent = mean_of_last(args.output_dir / args.logging_dir, 500)
        names = [name for name in ("task", "perceptual", "recognition") if name in recent]
        figures = {f"{name}_loss": round(recent[name], 5) for name in names}
        write_figures(args.output_dir, {"steps": done, "batch": args.train_batch_size, **figures}, begun)


def add_default_model_options(parser: argparse.ArgumentParser, *, learning_rate: float, seed: int) -> None:
    """What both trainings of the default model share: their data, and the training options with their defaults."""
    group = parser.add_argument_group("default model")
    group.add_argument("--data", type=Path, default=Path("out/train/latents.pt"), help="from cache_latents")
    group.add_argument("--vae", type=Path, default=Path("out/train/vae"))
    group.add_argument("--hard_objects", type=Path, help="from hard_objects.py: what is seen more often")
    add_looks_options(group)
    group.add_argument("--start", type=Path, help="without a checkpoint, start from this pipeline folder's weights")
    add_training_options(parser, learning_rate=learning_rate, batch=48, warmup=100, seed=seed)
    parser.set_defaults(adam_beta2=0.99, checkpointing_steps=300, checkpoints_total_limit=1, max_train_steps=5000)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_default_model_options(parser, learning_rate=8e-4, seed=0)
    parser.add_argument("--tokenizer", type=Path, default=Path("out/train/tokenizer"))
    parser.add_argument("--text_steps", type=int, default=5000, help="steps of the text encoder's own pretraining")
    parser.set_defaults(lr_scheduler="warmup_stable_decay")
    return exit_status(train_teacher, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
