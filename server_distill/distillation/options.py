"""Command-line options of `server_distill.distill`: segmind's and BK-SDM's names, in groups."""

from __future__ import annotations

import argparse
from pathlib import Path

from server_distill.distillation.block_removal import ALIASES, LEVELS
from server_distill.training.options import add_model_options, add_training_options


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError("True or False")
    return text.lower() == "true"


def make_parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_options(parser)
    _add_student_options(parser)
    _add_data_options(parser)
    _add_noise_options(parser)
    _add_loss_options(parser)
    _add_task_options(parser)
    _add_memory_options(parser)
    _add_validation_options(parser)
    add_training_options(parser, learning_rate=1e-5, batch=16, seed=0)
    return parser


def _add_student_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("student")
    group.add_argument(
        "--distill_level",
        "--unet_config_name",
        default="bk_small",
        choices=[*LEVELS, *ALIASES],
        help="which of the teacher's blocks remain; parameters from SD 1.x: bk_base = sd_small 579 M, bk_small 482 M, "
        "bk_tiny = sd_tiny 323 M",
    )
    group.add_argument(
        "--prepare_unet",
        type=_truth,
        default=True,
        help="True: cut the student out of the teacher. False: go on from --student",
    )
    group.add_argument("--student", type=Path, help="a pipeline or UNet folder of the same level, to start from")
    group.add_argument("--use_ema", action="store_true", help="keep, validate and save the student's moving average")
    group.add_argument("--ema_decay", type=float, default=0.9999)


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data")
    group.add_argument("--dataset_name", help="a folder, .parquet or .tar file, or a hub name where that is reached")
    group.add_argument("--dataset_config_name")
    group.add_argument("--train_data_dir", help="a folder; the same as --dataset_name")
    group.add_argument("--dataset_split", default="train")
    group.add_argument("--image_column", default="image")
    group.add_argument("--caption_column", help="a text, or a list of texts; default: the first likely one")
    group.add_argument("--caption_choice", choices=("random", "first"), default="random", help="of several captions")
    group.add_argument("--max_train_samples", type=int, help="use only so many, the first ones")
    group.add_argument("--resolution", type=int, default=512, help="pixels of a side")
    group.add_argument("--center_crop", action="store_true", help="default: crops at random places")
    group.add_argument("--crops", type=int, default=4, help="random crops encoded a picture")
    group.add_argument("--random_flip", action="store_true", help="encode mirrored views as well")
    group.add_argument("--proportion_empty_prompts", type=float, default=0.0, help="share of captions that are dropped")
    group.add_argument("--latents_cache_dir", type=Path, help="where latents are kept; default: OUTPUT_DIR/latents")


def _add_noise_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("noise")
    group.add_argument(
        "--prediction_type",
        choices=("epsilon", "v_prediction"),
        help="default: the teacher's; another would contradict what it learned and is refused",
    )
    group.add_argument("--noise_offset", type=float, default=0.0, help="a constant a channel, added to the noise")
    group.add_argument("--input_perturbation", type=float, default=0.0, help="more noise on the input alone; try 0.1")
    group.add_argument("--snr_gamma", type=float, help="min-SNR-γ weights (Hang et al. 2023), for ε and v; try 5")


def _add_loss_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("losses")
    group.add_argument("--task_weight", "--lambda_sd", type=float, default=1.0, help="of the diffusion loss itself")
    group.add_argument("--output_weight", "--lambda_kd_output", type=float, default=0.5, help="of the teacher's output")
    group.add_argument("--feature_weight", "--lambda_kd_feat", type=float, default=0.5, help="of its blocks' outputs")
    group.add_argument(
        "--feature_scale",
        choices=("plain", "power"),
        default="plain",
        help="plain: squared errors summed over blocks (BK-SDM, segmind); power: each relative to the teacher's power, "
        "and their mean",
    )


def _add_task_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "task", "distill for what the phone will do: learn a subject in the keys and values of cross-attention"
    )
    group.add_argument("--task", choices=("general", "personalization"), default="general")
    group.add_argument(
        "--class_prompts", type=Path, help="a file, a prompt a line: the teacher's pictures of them are the data"
    )
    group.add_argument("--samples_per_prompt", type=int, default=8)
    group.add_argument("--sampling_steps", type=int, default=25)
    group.add_argument("--sampling_seed", type=int, default=0, help="the pictures' own, so that runs can share them")
    group.add_argument("--sampling_guidance_scale", type=float, default=5.0)
    group.add_argument("--attention_weight", type=float, default=0.5, help="of cross-attentions' outputs")
    group.add_argument("--perturbed_share", type=float, default=0.5, help="of micro-steps whose K and V are perturbed")
    group.add_argument("--perturbation", type=float, default=0.3, help="its norm, relative to the matrices'")
    group.add_argument("--perturbation_rank", type=int, default=4)
    group.add_argument(
        "--perturbation_adapters",
        type=Path,
        metavar="FOLDER",
        help="change K and V as these adapters of the starting student do, between half and one and a half times",
    )


def _add_memory_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("teacher's memory")
    group.add_argument(
        "--teacher_precision",
        choices=("auto", "fp32", "fp16", "bf16"),
        default="auto",
        help="how its weights are held (on a CPU without such arithmetic, widened a layer at a time); auto: as "
        "--mixed_precision",
    )
    group.add_argument(
        "--offload_teacher", action="store_true", help="keep the teacher in main memory, a block at a time on the GPU"
    )
    group.add_argument(
        "--cache_teacher",
        type=int,
        default=0,
        metavar="N",
        help="run the teacher over the first N micro-steps beforehand, keep its outputs on disk and free it; training "
        "repeats these micro-steps",
    )


def _add_validation_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("validation")
    group.add_argument("--validation_prompts", "--valid_prompt", nargs="+", metavar="PROMPT")
    group.add_argument("--validation_steps", "--valid_steps", type=int, default=500)
    group.add_argument("--num_validation_images", "--num_valid_images", type=int, default=1, help="a prompt")
