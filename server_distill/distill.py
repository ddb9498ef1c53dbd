"""Distill a Stable Diffusion UNet into a smaller student, on any data set of pictures with captions.

    accelerate launch --mixed_precision=fp16 -m server_distill.distill \\
      --pretrained_model_name_or_path=MODEL --dataset_name=FOLDER --output_dir=DIR \\
      --distill_level=bk_small --resolution=512 --center_crop --random_flip --train_batch_size=1 \\
      --gradient_accumulation_steps=4 --gradient_checkpointing --max_train_steps=15000 --learning_rate=1e-5

What happens, in this order:

  1. pictures and captions are encoded once into --latents_cache_dir; the encoders are freed. Or, with
     --class_prompts and no data set, the teacher draws the data itself.
  2. the student is cut out of the teacher (--distill_level), the teacher frozen in low precision.
  3. training. Killed at any instant, the same command goes on and ends in the same bytes.
  4. DIR is a whole pipeline: StableDiffusionPipeline.from_pretrained(DIR).

Least memory: --gradient_checkpointing --mixed_precision=bf16 --optimizer=adafactor, and --cache_teacher=N. On a
processor without bf16 arithmetic, --teacher_precision=bf16 in place of the second.
"""

from __future__ import annotations

import argparse
import gc
import sys

import torch
from accelerate import Accelerator, cpu_offload
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.training_utils import EMAModel

from models.adapter_file import AdapterFileError
from models.kv_boundary import UnsupportedModelError, check_supported
from server_distill.data_sets.image_dataset import DatasetError
from server_distill.data_sets.latent_cache import CacheError, LatentCache
from server_distill.distillation.block_removal import make_student
from server_distill.distillation.data import cache_settings, make_cache
from server_distill.distillation.examples import Examples
from server_distill.distillation.losses import Distillation
from server_distill.distillation.options import make_parser
from server_distill.distillation.plan import print_plan
from server_distill.distillation.teacher_cache import TeacherCache, TeacherCacheError
from server_distill.training.checkpoints import CheckpointError
from server_distill.training.hub import push
from server_distill.training.loop import NotFiniteError, make_accelerator, steps_to_take, train
from server_distill.training.options import OPTIMIZER_OPTIONS, result_settings
from server_distill.training.pipeline_folder import save_with_unet
from server_distill.training.precision import freeze
from server_distill.training.validation_pictures import validation_pictures

ERRORS = (
    AdapterFileError,
    CacheError,
    CheckpointError,
    DatasetError,
    NotFiniteError,
    TeacherCacheError,
    UnsupportedModelError,
)


def main(arguments: list[str] | None = None) -> int:
    parser = make_parser(__doc__ or "")
    args = parser.parse_args(arguments)
    args.dataset_name = args.dataset_name or args.train_data_dir
    if args.dataset_name is None and args.class_prompts is None:
        parser.error("give --dataset_name, or --class_prompts for data that the teacher draws itself")
    if not args.prepare_unet and args.student is None:
        parser.error("--prepare_unet=False goes on from a student: name its folder with --student")
    try:
        if args.dry_run:
            print_plan(args)
        else:
            distill(args)
    except (*ERRORS, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def distill(args: argparse.Namespace) -> None:
    """The whole run. Raises one of `ERRORS`, ValueError or OSError with a message that says what to do."""
    accelerator = make_accelerator(args)
    schedule = load_schedule(args)
    folder = args.latents_cache_dir or args.output_dir / "latents"
    if accelerator.is_main_process:
        make_cache(args, folder, accelerator.device)
    accelerator.wait_for_everyone()
    cache = LatentCache(folder)
    data = Examples(
        cache,
        AutoencoderKL.load_config(args.pretrained_model_name_or_path, subfolder="vae")["scaling_factor"],
        schedule.config.num_train_timesteps,
        args.caption_choice == "random",
        args.proportion_empty_prompts,
        args.noise_offset,
        args.input_perturbation,
    )
    teacher, student = load_networks(args, accelerator)
    steps = steps_to_take(args, len(cache), accelerator.num_processes)
    work = Distillation(args, accelerator, student, teacher, schedule, data)
    if args.cache_teacher:
        work.cache = cached_teacher(args, work)
        work.teacher = teacher = None
        gc.collect()
    if args.gradient_checkpointing:
        student.enable_gradient_checkpointing()
    average = None
    if args.use_ema:
        average = EMAModel(
            student.parameters(), args.ema_decay, model_cls=UNet2DConditionModel, model_config=student.config
        )
        average.to(accelerator.device)

    def final() -> UNet2DConditionModel:
        if average is not None:
            average.copy_to(student.parameters())
        return student

    def validate(_step: int) -> tuple[list, list[str]]:
        if not accelerator.is_main_process:
            return [], []
        if average is not None:
            average.store(student.parameters())
        drawn = validation_pictures(args, args.validation_prompts, final(), accelerator.device)
        if average is not None:
            average.restore(student.parameters())
        return drawn

    done = train(
        accelerator,
        args,
        student,
        work.losses,
        steps,
        prepare_losses=work.prepare,
        average=average,
        validate=validate if args.validation_prompts else None,
        validate_every=args.validation_steps,
        settings={"latents": cache_settings(args)},
    )
    if accelerator.is_main_process and done == steps:
        save_with_unet(args.output_dir, args.pretrained_model_name_or_path, final(), args.revision, args.variant)
        push(args.output_dir, args)
    elif accelerator.is_main_process:
        print(f"stopped after {done} of {steps} steps: the same command goes on", file=sys.stderr)
    accelerator.end_training()


def load_schedule(args: argparse.Namespace) -> DDPMScheduler:
    """The teacher's noise schedule. Raises ValueError where another prediction type is asked for than it learned."""
    schedule = DDPMScheduler.from_pretrained(
        args.pretrained_model_name_or_path, subfolder="scheduler", revision=args.revision
    )
    own = schedule.config.prediction_type
    if args.prediction_type not in (None, own):
        raise ValueError(f"the teacher predicts {own}; a student of it can't predict {args.prediction_type}")
    return schedule


def load_networks(
    args: argparse.Namespace, accelerator: Accelerator
) -> tuple[UNet2DConditionModel, UNet2DConditionModel]:
    """The teacher, frozen, in its precision and place; the student, float32."""
    model = args.pretrained_model_name_or_path
    teacher = UNet2DConditionModel.from_pretrained(
        model, subfolder="unet", revision=args.revision, variant=args.variant, dtype=torch.float32
    )
    check_supported(teacher)
    if args.prepare_unet:
        student = make_student(teacher, args.distill_level)
    else:
        folder = args.student / "unet" if (args.student / "unet").is_dir() else args.student
        student = UNet2DConditionModel.from_pretrained(folder, dtype=torch.float32)
    precision = accelerator.mixed_precision if args.teacher_precision == "auto" else args.teacher_precision
    freeze(teacher, precision, accelerator.device)
    if args.offload_teacher:
        cpu_offload(teacher, accelerator.device)
    else:
        teacher.to(accelerator.device)
    if args.enable_xformers_memory_efficient_attention:
        student.enable_xformers_memory_efficient_attention()
        teacher.enable_xformers_memory_efficient_attention()
    return teacher, student.train().to(accelerator.device)


def cached_teacher(args: argparse.Namespace, work: Distillation) -> TeacherCache:
    """The teacher's outputs for the first micro-steps, computed where they aren't on disk yet; a folder a process."""
    process = work.accelerator.process_index
    settings = {name: value for name, value in result_settings(args).items() if name not in OPTIMIZER_OPTIONS}
    cache = TeacherCache(args.output_dir / "teacher" / str(process), args.cache_teacher, settings)
    cache.fill(work.teacher_outputs)
    return cache


if __name__ == "__main__":
    sys.exit(main())
