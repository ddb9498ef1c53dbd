"""Draw prompts with any Stable Diffusion pipeline folder, with or without an adapter, and score the pictures.

    python -m server_distill.evaluate --model sd15/ --prompts captions.txt --real photos/ --clip clip/ --output out/sd15
    python -m server_distill.evaluate --model models/default/student --adapter my-cat.safetensors \\
        --prompt-set dreambench-live --references my-cat-photos/ --output out/my-cat

`--adapter` takes a Likeness file, or a folder of diffusers' Custom Diffusion weights, LoRA or textual inversion
(apply_adapter). In a prompt, `{}` is the subject: the adapter's tokens and class unless --subject says otherwise. CLIP
reads the plain class in its place. Pictures are kept in the output folder: a run that was stopped goes on where it was,
and one with more prompts or pictures draws only those. Nothing is downloaded: a score whose network or photos were not
given is listed as absent, with the reason.

Leaves report.json (flat keys), report.md (also a row a prompt), sheet.png, pictures/ and settings.json. The scores:

"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import time
from pathlib import Path

import diffusers
import torch
import transformers
from diffusers import StableDiffusionPipeline

from device_runtime import BadPhotoError
from models.adapter_file import AdapterFileError
from server_distill.evaluation.apply_adapter import Applied, apply_adapter
from server_distill.evaluation.clip_scores import Clip
from server_distill.evaluation.dino_scores import Dino
from server_distill.evaluation.error import EvaluationError
from server_distill.evaluation.picture_features import photo_files
from server_distill.evaluation.pictures import (
    FOLDER,
    Picture,
    Sampling,
    check_settings,
    draw_missing,
    forget,
    missing,
    plan,
    seconds_a_picture,
    write_settings,
)
from server_distill.evaluation.pipeline import SAMPLERS, load_pipeline, pipeline_sha256, recommended_sampling
from server_distill.evaluation.prompts import (
    PROMPT_SETS,
    SUBJECT,
    TOKEN,
    class_of,
    class_text,
    read_prompts,
    subject_words,
)
from server_distill.evaluation.report import write_report, write_sheet
from server_distill.evaluation.scores import HELP, Scorer

DEFAULT_STEPS, DEFAULT_GUIDANCE = 25, 7.5
"""Where the model's recommended.json says nothing."""


def natural(text: str) -> int:
    if (value := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return value


def positive(text: str) -> int:
    if (value := natural(text)) == 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "") + HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="a StableDiffusionPipeline folder")
    parser.add_argument("--adapter", type=Path, help="a Likeness adapter file, or a folder of diffusers' or PEFT's")
    prompts = parser.add_mutually_exclusive_group(required=True)
    prompts.add_argument("--prompts", type=Path, help="a text file, a prompt a line; {} is the subject")
    prompts.add_argument("--prompt-set", choices=PROMPT_SETS, help="25 prompts about a thing or about an animal")
    parser.add_argument("--subject", help='what {} is, such as "<new1> cat" (default: the adapter\'s tokens and class)')
    parser.add_argument("--class-name", help="the subject's plain class (default: the adapter's, or --subject's words)")
    parser.add_argument("--references", type=Path, help="photos of the subject, for …_i")
    parser.add_argument("--real", type=Path, help="real pictures, for frechet_… and kid_…")
    parser.add_argument("--clip", type=Path, help="a transformers CLIP folder")
    parser.add_argument("--dino", type=Path, help="a transformers DINO (ViT) or DINOv2 folder")
    numbers = parser.add_mutually_exclusive_group()
    numbers.add_argument("--pictures-per-prompt", type=positive, default=4)
    numbers.add_argument("--seeds", type=natural, nargs="+", help="numbers of a prompt's pictures (default: 0, 1, …)")
    parser.add_argument("--steps", type=positive, help="default: the model's recommended.json, or 25")
    parser.add_argument("--guidance-scale", type=float, help="default: the model's recommended.json, or 7.5")
    parser.add_argument("--sampler", choices=SAMPLERS, default=SAMPLERS[0], help="own: the scheduler the folder names")
    parser.add_argument("--resolution", type=positive, help="pixels of a side (default: the model's)")
    parser.add_argument("--batch", type=positive, default=8, help="pictures drawn at once")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--dry-run", action="store_true", help="say how many pictures and roughly how long; draw none")
    parser.add_argument("--fresh", action="store_true", help="delete the pictures of earlier runs in --output first")
    return parser.parse_args(arguments)


def name_subject(args: argparse.Namespace, applied: Applied, templates: list[str]) -> tuple[str, str]:
    """What fills `{}` for the pipeline, and its plain class. Raises EvaluationError where a prompt needs one."""
    class_name = args.class_name or applied.class_name
    subject = args.subject or subject_words(applied.tokens, class_name)
    class_name = class_name or class_of(subject, applied.tokens)
    if any(SUBJECT in template for template in templates):
        if not subject:
            raise EvaluationError(f"the prompts have {SUBJECT}: say what it is (--subject or --class-name)")
        if not class_name:
            raise EvaluationError(f'what is "{subject}"? Say its plain class (--class-name)')
    return subject, class_name


def check_tokens(pipeline: StableDiffusionPipeline, pictures: list[Picture], applied: Applied) -> int:
    """How many prompts are longer than the text encoder reads. Raises EvaluationError for a token nobody taught it."""
    prompts = dict.fromkeys(picture.prompt for picture in pictures)
    vocabulary = pipeline.tokenizer.get_vocab()
    for prompt in prompts:
        for token in TOKEN.findall(prompt):
            if token not in vocabulary:
                known = ", ".join(applied.tokens) or "none"
                raise EvaluationError(f"a prompt has {token}, which was not learned (learned: {known}): {prompt!r}")
    if applied.tokens and not any(token in prompt for prompt in prompts for token in applied.tokens):
        print(f"note: no prompt has {', '.join(applied.tokens)}: this measures the model beside its subject")
    lengths = [len(ids) for ids in pipeline.tokenizer(list(prompts), truncation=False, verbose=False).input_ids]
    return sum(length > pipeline.tokenizer.model_max_length for length in lengths)


def adapter_sha256(path: Path | None) -> str:
    """SHA-256 over the file, or over names and bytes of a folder's files; "" without an adapter."""
    digest = hashlib.sha256()
    if path is None:
        return ""
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(f"{file.name if path.is_dir() else ''}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def side(pipeline: StableDiffusionPipeline, wanted: int | None) -> int:
    """Pixels of a picture's side. Raises EvaluationError where the networks cannot give `wanted`."""
    unit = math.lcm(8, pipeline.vae_scale_factor)  # diffusers itself asks for 8
    if wanted is not None and wanted % unit:
        raise EvaluationError(f"--resolution {wanted}: this model draws multiples of {unit} pixels")
    return wanted or pipeline.unet.config.sample_size * pipeline.vae_scale_factor


def how_long(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"


def evaluate(args: argparse.Namespace) -> None:
    """All of it. Raises EvaluationError, AdapterFileError or OSError."""
    begun = time.monotonic()
    for name in ("references", "real", "clip", "dino"):
        folder = getattr(args, name)
        if folder is not None and not folder.is_dir():
            raise EvaluationError(f"--{name}: there is no folder {folder}")
    templates = read_prompts(args.prompts) if args.prompts else list(PROMPT_SETS[args.prompt_set])
    references = photo_files(args.references, "--references") if args.references else None
    real = photo_files(args.real, "--real") if args.real else None
    # Networks and photos are read before anything is drawn: what is wrong with them is said now, not in an hour.
    clip = Clip(args.clip, args.device) if args.clip else None
    dino = Dino(args.dino, args.device) if args.dino else None

    pipeline = load_pipeline(args.model, args.sampler)
    weights = pipeline_sha256(pipeline)
    applied = apply_adapter(pipeline, args.adapter, weights) if args.adapter else Applied([], "", True)
    subject, class_name = name_subject(args, applied, templates)
    numbers = args.seeds if args.seeds is not None else range(args.pictures_per_prompt)
    pictures = plan(templates, subject, numbers)
    cut = check_tokens(pipeline, pictures, applied)
    recommended = recommended_sampling(args.model)
    guidance = args.guidance_scale if args.guidance_scale is not None else recommended.get("guidance_scale")
    sampling = Sampling(
        args.steps or recommended.get("steps", DEFAULT_STEPS),
        float(DEFAULT_GUIDANCE if guidance is None else guidance),
        side(pipeline, args.resolution),
    )
    scheduler = json.dumps(dict(pipeline.scheduler.config), sort_keys=True, default=str)
    settings: dict[str, object] = {
        "weights_sha256": weights,
        "adapter_sha256": adapter_sha256(args.adapter),
        "sampler": type(pipeline.scheduler).__name__,
        "scheduler_config_sha256": hashlib.sha256(scheduler.encode()).hexdigest(),
        **vars(sampling),
        "dtype": args.dtype,
    }
    if not args.fresh:
        check_settings(args.output, settings)
    pipeline.to(args.device, getattr(torch, args.dtype))
    to_draw = len(pictures) if args.fresh else len(missing(pictures, args.output))
    print(f"{len(pictures)} pictures of {len(pictures) // len(set(numbers))} prompts, {to_draw} to draw")
    if cut:
        print(f"note: {cut} prompts are longer than the {pipeline.tokenizer.model_max_length} tokens that are read")
    if args.dry_run:
        print(f"drawing takes about {how_long(to_draw * seconds_a_picture(pipeline, pictures[0], sampling))}")
        return
    if args.fresh:
        forget(args.output)
    write_settings(args.output, settings)
    scorer = Scorer(references, real, clip, dino)
    draw_missing(pipeline, pictures, sampling, args.batch, args.output)
    del pipeline  # its memory is wanted by the scores' networks

    texts = [class_text(picture.template, class_name) for picture in pictures]
    drawn = [args.output / FOLDER / picture.name for picture in pictures]
    scores = scorer.score(drawn, texts)
    about: dict[str, object] = {
        **{name: str(value) for name in ("model", "adapter", "clip", "dino") if (value := getattr(args, name))},
        **settings,
        "adapter_base_checked": applied.base_checked,
        "subject": subject,
        "class_name": class_name,
        "prompt_source": str(args.prompts or args.prompt_set),
        "prompts": len(pictures) // len(set(numbers)),
        "prompts_cut_off": cut,
        "pictures": len(pictures),
        "references": len(scorer.references.paths),
        "references_skipped": len(scorer.references.skipped),
        "references_skipped_files": ", ".join(scorer.references.skipped),
        "real": len(scorer.real.paths),
        "real_skipped": len(scorer.real.skipped),
        "real_skipped_files": ", ".join(scorer.real.skipped),
        "seconds": round(time.monotonic() - begun),
    }
    print(write_report(args.output, about, pictures, scores), end="")
    write_sheet(args.output, pictures, scorer.references.paths)
    print(f"{args.output}: report.json, report.md, sheet.png")


def main(arguments: list[str] | None = None) -> int:
    args = parse(arguments)
    transformers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()  # it warns of every prompt that is cut off; they are counted here
    try:
        evaluate(args)
    except (EvaluationError, AdapterFileError, BadPhotoError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped: the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
