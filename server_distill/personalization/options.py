"""Command-line options of server_distill.custom_diffusion, by the names of diffusers' example script."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from server_distill.personalization.new_tokens import RARE
from server_distill.personalization.personalized_parameters import METHODS
from server_distill.training.options import add_model_options, add_training_options
from server_distill.training.precision import DTYPES


def make_parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_options(parser)
    parser.add_argument("--tokenizer_name", help="a tokenizer other than the model's own: a folder or hub name")
    _add_method_options(parser)
    _add_concept_options(parser)
    _add_prior_options(parser)
    _add_view_options(parser)
    _add_validation_options(parser)
    add_training_options(parser, learning_rate=1e-5, batch=4, warmup=500, seed=42)
    parser.add_argument("--no_safe_serialization", action="store_true", help="write .bin files in place of safetensors")
    parser.set_defaults(num_train_epochs=1, checkpointing_steps=250)
    return parser


def _add_method_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("method", "what is trained; every method takes the options below")
    group.add_argument("--method", choices=METHODS, default="custom_diffusion")
    group.add_argument(
        "--freeze_model",
        choices=("crossattn_kv", "crossattn"),
        default="crossattn_kv",
        help="custom_diffusion: train cross-attention's keys and values, or all of it (which no phone takes)",
    )
    group.add_argument("--rank", type=int, default=4, help="lora: of the changes to keys and values")
    group.add_argument("--train_text_encoder", action="store_true", help="dreambooth: besides the UNet")
    group.add_argument(
        "--modifier_token", metavar="<new1>+<new2>", help="new words, joined by +, whose embeddings are trained"
    )
    group.add_argument(
        "--initializer_token",
        metavar="WORD+WORD",
        help=f"what they start from, a single token each (default: {RARE}, or the class words where these are unknown)",
    )


def _add_concept_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("photos")
    group.add_argument("--instance_data_dir", metavar="DIR", help="the photos")
    group.add_argument("--instance_prompt", help='such as "photo of a <new1> cat"')
    group.add_argument(
        "--concepts_list",
        metavar="JSON",
        help="several concepts: a list of {instance_data_dir, instance_prompt, class_data_dir, class_prompt}",
    )


def _add_prior_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("prior preservation", "pictures of the class, so that it stays what it was")
    group.add_argument("--with_prior_preservation", action="store_true")
    group.add_argument(
        "--class_data_dir",
        metavar="DIR",
        help="pictures, or a text file of paths; what is missing is drawn by the model and kept there",
    )
    group.add_argument("--class_prompt", help="what they show; or a text file of captions, if class_data_dir is one")
    group.add_argument("--real_prior", action="store_true", help="real pictures only: too few is an error")
    group.add_argument(
        "--class_dataset_name", metavar="NAME", help="a data set in place of class_data_dir: see datasets"
    )
    group.add_argument("--class_dataset_config_name")
    group.add_argument("--class_image_column", default="image")
    group.add_argument("--class_caption_column", help="default: the class prompt for all")
    group.add_argument("--num_class_images", type=int, default=200)
    group.add_argument("--prior_loss_weight", type=float, default=1.0)
    group.add_argument("--sample_batch_size", type=int, default=4, help="pictures drawn at a time")
    group.add_argument("--num_inference_steps", type=int, default=25, help="denoising steps of a drawn picture")
    group.add_argument("--prior_generation_precision", choices=tuple(DTYPES), help="default: fp16 on a GPU, else fp32")


def _add_view_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("views")
    group.add_argument("--resolution", type=int, default=512, help="pixels of a side")
    group.add_argument(
        "--center_crop",
        action="store_true",
        help="cut the middle square out of every picture; by default photos are squeezed, class images cut anywhere",
    )
    group.add_argument("--hflip", action="store_true", help="mirror half of the views")
    group.add_argument("--noaug", action="store_true", help="no change of size, and no words about it in the prompt")
    group.add_argument(
        "--cache_views",
        type=int,
        default=0,
        metavar="N",
        help="encode N views a picture beforehand and free the image encoder; 0: new ones every step",
    )


def _add_validation_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("validation")
    group.add_argument("--validation_prompt", help="what is drawn meanwhile and at the end")
    group.add_argument("--num_validation_images", type=int, default=2)
    group.add_argument("--validation_steps", type=int, default=50, help="optimizer steps between two times")


def parse(description: str | None, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Exits with code 2 where options contradict each other."""
    parser = make_parser(description)
    args = parser.parse_args(arguments)
    for name in ("train_batch_size", "gradient_accumulation_steps", "rank", "num_class_images", "sample_batch_size"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} should be at least 1")
    if args.resolution < 32:
        parser.error("--resolution should be at least 32")
    if args.method == "textual_inversion" and not args.modifier_token:
        parser.error("--method=textual_inversion trains new words: give some (--modifier_token)")
    if args.train_text_encoder and args.method != "dreambooth":
        parser.error("--train_text_encoder goes with --method=dreambooth")
    if args.freeze_model != "crossattn_kv" and args.method != "custom_diffusion":
        parser.error("--freeze_model goes with --method=custom_diffusion")
    if not args.with_prior_preservation:
        for name in ("class_data_dir", "class_dataset_name", "real_prior"):
            if getattr(args, name):
                print(f"--{name} is without effect: there is no --with_prior_preservation", file=sys.stderr)
    return args
