"""The latents and text states that a distillation run learns from: a data set's, or the teacher's own."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPTextModel, CLIPTokenizer

from server_distill.data_sets.image_dataset import (
    DatasetError,
    Skipped,
    caption_column,
    examples,
    open_dataset,
    picture_column,
)
from server_distill.data_sets.latent_cache import LatentCacheWriter, TextEncoder, encode, fingerprint
from server_distill.data_sets.picture_views import Views
from server_distill.distillation.teacher_samples import read_prompts, sample_latents

DATA_OPTIONS = (
    "dataset_name",
    "dataset_config_name",
    "dataset_split",
    "image_column",
    "caption_column",
    "max_train_samples",
    "resolution",
    "center_crop",
    "crops",
    "random_flip",
)
SAMPLING_OPTIONS = ("samples_per_prompt", "sampling_steps", "sampling_guidance_scale", "sampling_seed")


def cache_settings(args: argparse.Namespace) -> dict[str, object]:
    """What a latents' cache depends on. Raises DatasetError where the class prompts can't be read."""
    if args.dataset_name is None:
        prompts = hashlib.sha256("\n".join(read_prompts(args.class_prompts)).encode()).hexdigest()[:16]
        return {"class_prompts": prompts, **{name: getattr(args, name) for name in SAMPLING_OPTIONS}}
    return {name: getattr(args, name) for name in DATA_OPTIONS}


def make_cache(args: argparse.Namespace, folder: Path, device: torch.device) -> None:
    """Encode the data set, or let the teacher draw one; nothing is loaded where that is done already."""
    model = args.pretrained_model_name_or_path
    where = {"revision": args.revision, "variant": args.variant, "dtype": torch.float32}
    if (folder / "complete.json").exists():
        LatentCacheWriter(folder, cache_settings(args))  # refuses another data set's
        return
    tokenizer = CLIPTokenizer.from_pretrained(model, subfolder="tokenizer", revision=args.revision)
    text = TextEncoder(tokenizer, CLIPTextModel.from_pretrained(model, subfolder="text_encoder", **where).to(device))
    vae = AutoencoderKL.from_pretrained(model, subfolder="vae", **where).to(device).eval()
    writer = LatentCacheWriter(folder, {**cache_settings(args), "encoders": fingerprint(text.encoder, vae)})
    skipped = Skipped()
    if args.dataset_name is None:
        pipeline = StableDiffusionPipeline.from_pretrained(model, **where, safety_checker=None).to(device)
        prompts = read_prompts(args.class_prompts)
        sample_latents(
            pipeline,
            prompts,
            args.samples_per_prompt,
            writer,
            text,
            args.sampling_steps,
            args.sampling_guidance_scale,
            args.sampling_seed,
        )
    else:
        data = open_dataset(args.dataset_name, args.dataset_config_name, args.dataset_split, args.cache_dir)
        columns = data.features or dict.fromkeys(next(iter(data), {}))
        pictures = picture_column(columns, args.image_column)
        captions = caption_column(columns, args.caption_column)
        found = examples(data, pictures, captions, skipped, writer.next_example(), args.max_train_samples)
        views = Views(args.resolution, args.center_crop, args.random_flip, args.crops)
        encode(found, writer, vae, text, views, args.max_train_samples)
    print(f"{writer.pictures()} pictures, {len(writer.captions)} captions; {skipped.summary()}", file=sys.stderr)
    if not writer.pictures():
        raise DatasetError(f"no picture of {args.dataset_name} can be used: {skipped.summary()}")
    writer.finish(skipped)
