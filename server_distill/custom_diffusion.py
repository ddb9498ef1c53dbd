"""Teach Stable Diffusion a subject from photos, on a desktop: Custom Diffusion, and three other methods.

    accelerate launch -m server_distill.custom_diffusion --pretrained_model_name_or_path=MODEL \\
      --instance_data_dir=photos/ --instance_prompt="photo of a <new1> cat" --modifier_token="<new1>" \\
      --with_prior_preservation --class_data_dir=class/cat/ --class_prompt="cat" --hflip --scale_lr \\
      --output_dir=out/my-cat

The options are those of diffusers' example script, and so is what it computes. Class images come from
--class_data_dir; without --real_prior the model draws those that are missing. A run that was killed goes on where its
last checkpoint was, by the same command, and ends in the same bytes.

What --method trains (each beside the new words' embeddings), and the result in --output_dir:

    custom_diffusion     cross-attention's keys and values      adapter.safetensors, diffusers' weights
    lora                 low-rank changes to them               adapter.safetensors, diffusers' LoRA weights
    textual_inversion    the new words alone                    adapter.safetensors, the words' embeddings
    dreambooth           the whole UNet                         a pipeline folder

adapter.safetensors is what a phone loads. --freeze_model=crossattn trains more than a phone can hold: no such file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from accelerate import Accelerator

from models.adapter_file import AdapterFile, AdapterFileError
from server_distill.personalization import new_tokens
from server_distill.personalization.class_images import Prior, find_prior, record
from server_distill.personalization.class_sampling import draw_class_images
from server_distill.personalization.concepts import (
    Concept,
    PersonalizationError,
    check_prompts,
    class_name,
    read_concepts,
    read_instances,
)
from server_distill.personalization.options import parse
from server_distill.personalization.output import (
    PRIOR,
    write_adapter,
    write_card,
    write_json,
    write_pipeline,
)
from server_distill.personalization.pretrained import load_models
from server_distill.personalization.training import Personalization
from server_distill.training.checkpoints import CheckpointError
from server_distill.training.hub import push
from server_distill.training.loop import NotFiniteError, learning_rate, make_accelerator, steps_to_take


def run(args: argparse.Namespace) -> None:
    """Raises PersonalizationError, CheckpointError, NotFiniteError and OSError."""
    concepts = read_concepts(args)
    tokens = new_tokens.split(args.modifier_token)
    check_prompts(concepts, tokens)
    if args.dry_run:
        args.report_to = "jsonl"
    try:
        accelerator = make_accelerator(args)
    except ValueError as error:
        raise PersonalizationError(str(error)) from error
    photos = read_instances(concepts)
    models = load_models(args)
    sha256 = models.sha256()
    first = len(models.tokenizer)
    words = [concept.class_word(tokens) for concept in concepts]
    initial = new_tokens.initializers(models.tokenizer, args.initializer_token, len(tokens), words) if tokens else []
    new_tokens.add_tokens(models.tokenizer, tokens)
    if tokens:
        new_tokens.splice(models.text_encoder, first, initial)
    priors = [find_prior(concept, args) for concept in concepts] if args.with_prior_preservation else []
    counts = [len(own) for own in photos]
    steps = steps_to_take(args, max(sum(counts), len(priors) * args.num_class_images), accelerator.num_processes)
    if args.dry_run:
        personalization = Personalization(accelerator, args, models, [], [], sha256)
        print(plan(args, accelerator, counts, priors, steps, personalization))
        return
    priors = _complete(accelerator, args, concepts, priors)
    own = [example for examples in photos for example in examples]
    others = [example for prior in priors for example in prior.images]
    personalization = Personalization(accelerator, args, models, own, others, sha256)
    done = personalization.train(steps)
    if done < steps:
        accelerator.print(f"stopped after {done} of {steps} steps; the same command goes on")
    elif accelerator.is_main_process:
        _write(args, personalization, tokens, concepts, priors, done)
        push(args.output_dir, args)
    accelerator.end_training()


def _complete(
    accelerator: Accelerator, args: argparse.Namespace, concepts: Sequence[Concept], priors: Sequence[Prior]
) -> list[Prior]:
    """With the class images that are missing drawn. Processes meet before the first is: all must miss the same."""
    accelerator.wait_for_everyone()
    complete = []
    for concept, prior in zip(concepts, priors, strict=False):
        if prior.missing:
            assert concept.class_data_dir is not None and concept.class_prompt is not None
            folder = concept.class_data_dir
            folder = folder / "images" if (folder / "images").is_dir() else folder
            draw_class_images(accelerator, args, concept.class_prompt, folder, len(prior.images))
            prior = find_prior(concept, args)
        complete.append(prior)
    return complete


def plan(
    args: argparse.Namespace,
    accelerator: Accelerator,
    photos: Sequence[int],
    priors: Sequence[Prior],
    steps: int,
    personalization: Personalization,
) -> str:
    """What --dry_run prints."""
    rate = learning_rate(args, accelerator.num_processes, personalization.rows_an_example)
    a_step = args.train_batch_size * args.gradient_accumulation_steps * accelerator.num_processes
    lines = [f"method       {args.method}"]
    for i, count in enumerate(photos):
        line = f"concept {i + 1}    {count} photos"
        if priors:
            line += f", {len(priors[i].images)} class images from {priors[i].source}"
            line += f", {priors[i].missing} to be drawn by the model" if priors[i].missing else ""
        lines.append(line)
    lines += [
        f"steps        {steps} of {a_step} photos, learning rate {rate:g}, {args.lr_scheduler}",
        f"trained      {personalization.model.trained():,} parameters",
        f"result       {personalization.result_bytes() / 2**20:.1f} MB in {args.output_dir}",
    ]
    if args.cache_views:
        size = personalization.cached_bytes(sum(photos) + len(priors) * args.num_class_images) / 2**20
        lines.append(f"cached       {args.cache_views} views a picture, {size:.1f} MB")
    return "\n".join(lines)


def _write(
    args: argparse.Namespace,
    personalization: Personalization,
    tokens: Sequence[str],
    concepts: Sequence[Concept],
    priors: Sequence[Prior],
    steps: int,
) -> None:
    """The result of a run that is complete."""
    output: Path = args.output_dir
    safe = not args.no_safe_serialization
    model = personalization.model
    training = personalization.training_record(concepts, priors, steps)
    base_model = base_name(args.pretrained_model_name_or_path)
    if priors:
        write_json(output, PRIOR, [record(c, p, args) for c, p in zip(concepts, priors, strict=True)])
    if args.method == "dreambooth":
        write_pipeline(output, personalization.whole_pipeline(), safe)
    else:
        adapter = None
        if args.freeze_model == "crossattn_kv":
            adapter = AdapterFile(
                base_model,
                personalization.base_sha256,
                "lora" if args.method == "lora" else "full",
                args.rank if args.method == "lora" else None,
                personalization.adapter_tensors(),
                list(tokens),
                model.rows(),
                class_name(concepts),
                training,
            )
        write_adapter(output, model, adapter, tokens, args.method, safe)
    if args.push_to_hub:
        write_card(output, base_model, args.method, [c.instance_prompt for c in concepts], training)


def base_name(model: str) -> str:
    """A hub name as it is; of a folder, its own name: where it lies is nobody else's business."""
    return Path(model).resolve().name if Path(model).is_dir() else model


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(__doc__, arguments)
    try:
        run(args)
    except (PersonalizationError, CheckpointError, NotFiniteError, AdapterFileError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
