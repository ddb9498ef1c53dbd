"""Export a Stable-Diffusion-1.x-shaped pipeline folder to a bundle a phone can run (docs/bundle.md).

    python -m export.make_bundle --model models/default/student --output out/bundle

The bundle is written beside the output and renamed when it is whole, and only after every program was run and compared
with the pipeline it came from (out/export/report.json).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from export.lower import BACKEND, Lowered
from export.methods import Options, adapter_specs
from export.parity import Parity, ParityError, check_all, flat_figures, table
from export.pipeline import Pipeline, load_pipeline
from export.programs import (
    Program,
    add_tensors,
    compare_staged,
    make_programs,
    manifest_methods,
    program_methods,
)
from models import manifest as mf
from models.adapter import base_weights, initial_tensors
from models.kv_boundary import UnsupportedModelError, cross_attention_layers
from models.manifest import BundleError
from models.strict_json import StrictJsonError, decode

DEFAULT_MODEL = Path("models/default/student")
DEFAULT_PRIOR = Path("models/default/prior_pack.safetensors")
DEFAULT_OUTPUT = Path("out/bundle")
DEFAULT_REPORT = Path("out/export/report.json")
PRIOR_FILE = "prior/prior.safetensors"
TOKENIZER_FILES = {"vocab": "tokenizer/vocab.json", "merges": "tokenizer/merges.txt"}
TOKEN_EMBEDDINGS = "tokenizer/token_embeddings.safetensors"


def write_tokenizer(pipeline: Pipeline, folder: Path) -> None:
    """CLIPTokenizer's two files, read from tokenizer.json where the pipeline has only that."""
    source = pipeline.folder / "tokenizer"
    (folder / "tokenizer").mkdir()
    vocab, merges = source / "vocab.json", source / "merges.txt"
    if vocab.exists() and merges.exists():
        shutil.copyfile(vocab, folder / TOKENIZER_FILES["vocab"])
        shutil.copyfile(merges, folder / TOKENIZER_FILES["merges"])
    else:
        model = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))["model"]
        text = json.dumps(model["vocab"], ensure_ascii=False)
        (folder / TOKENIZER_FILES["vocab"]).write_text(text, encoding="utf-8")
        pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
        lines = "\n".join(["#version: 0.2", *pairs]) + "\n"
        (folder / TOKENIZER_FILES["merges"]).write_text(lines, encoding="utf-8")
    table = pipeline.text_encoder.embeddings.token_embedding.weight.detach()
    save_file({"token_embeddings": table.contiguous()}, str(folder / TOKEN_EMBEDDINGS))


def write_adapters(pipeline: Pipeline, options: Options, folder: Path) -> dict[str, mf.Adapter]:
    (folder / "adapters").mkdir()
    base = base_weights(pipeline.unet)
    adapters = {}
    for spec in adapter_specs(pipeline, options):
        initial = f"adapters/{spec.kind}.safetensors"
        save_file(initial_tensors(spec, base), str(folder / initial))
        adapters[spec.kind] = mf.Adapter(
            f"project_kv.{spec.kind}",
            f"project_kv_vjp.{spec.kind}",
            spec.rank,
            initial,
            [mf.AdapterTensor(name, list(shape)) for name, shape in spec.tensor_shapes().items()],
        )
    return adapters


def write_prior(pipeline: Pipeline, pack: Path | None, folder: Path) -> mf.Prior:
    """The prior pack as float32, or a pack of no latents and no classes."""
    (folder / "prior").mkdir()
    channels, size = pipeline.vae.config.latent_channels, pipeline.latent_size
    latents, classes, source = torch.zeros((0, channels, size, size)), {}, ""
    if pack is not None:
        try:
            with safe_open(str(pack), "pt") as file:
                metadata = file.metadata() or {}
                latents = file.get_tensor("latents").float()
        except (SafetensorError, OSError) as error:
            raise BundleError(f"prior pack {pack}: {error}") from error
        try:
            classes = decode(dict[str, mf.PriorClass], json.loads(metadata.get("classes", "{}")))
        except (StrictJsonError, json.JSONDecodeError) as error:
            raise BundleError(f"prior pack {pack}: classes: {error}") from error
        source = metadata.get("source", "")
        if tuple(latents.shape[1:]) != (channels, size, size):
            raise BundleError(f"prior pack {pack}: latents {list(latents.shape)} do not fit this model")
        for name, entry in classes.items():
            if any(not 0 <= row < len(latents) for row in entry.latents):
                raise BundleError(f"prior pack {pack}: class {name!r} names a row it does not have")
    save_file({"latents": latents.contiguous()}, str(folder / PRIOR_FILE))
    return mf.Prior(PRIOR_FILE, source, classes)


@dataclass(frozen=True)
class Built:
    """The programs by name, and how exact each method is."""

    programs: dict[str, Program]
    parities: list[Parity]


def lowered_methods(built: Built) -> dict[str, list[Lowered]]:
    """What each method's programs are made of; several where it is in stages."""
    groups: dict[str, list[Lowered]] = {}
    for name, program in built.programs.items():
        groups.setdefault(name.partition("/")[0], []).append(program.lowered)
    return groups


def text_report(built: Built) -> str:
    """What the programs are made of and how exact they are, a line a method."""
    lines = []
    for name, group in lowered_methods(built).items():
        left_over: Counter[str] = sum((Counter(one.left_over) for one in group), Counter())
        lines.append(
            f"{name:24} {sum(one.bytes for one in group) / 2**20:7.2f} MB  "
            + (f"{len(group)} programs, " if len(group) > 1 else "")
            + f"{sum(one.delegates for one in group)} delegates"
            + (f", left over: {dict(left_over)}" if left_over else "")
        )
    return "\n".join([*lines, "", table(built.parities)])


def write_report(built: Built, path: Path, seconds: float) -> None:
    """Flat keys (docs/export.md), and the tables beside them as `.md`."""
    figures = flat_figures(built.parities)
    for name, group in lowered_methods(built).items():
        figures[f"{name}_megabytes"] = round(sum(one.bytes for one in group) / 2**20, 3)
        figures[f"{name}_programs"] = len(group)
        figures[f"{name}_delegates"] = sum(one.delegates for one in group)
        figures[f"{name}_operations_left_over"] = sum(sum(one.left_over.values()) for one in group)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"seconds": round(seconds, 1), **figures}, indent=1) + "\n")
    path.with_suffix(".md").write_text(f"```\n{text_report(built)}\n```\n")


def build(pipeline: Pipeline, options: Options, name: str, prior_pack: Path | None, folder: Path, jobs: int) -> Built:
    """Write the whole bundle into the empty `folder`, every method compared with the stock modules."""
    names = [method.name for method in program_methods(pipeline, options)]
    programs = make_programs(pipeline.folder, options, names, folder, jobs)
    methods = manifest_methods(programs)
    alone = {name: program.parity for name, program in programs.items() if program.parity is not None}
    parities = alone | compare_staged(pipeline, options, methods, folder)
    tensors: dict[str, mf.TensorSpec] = {}
    for program in programs.values():
        add_tensors(tensors, program.tensors)
    write_tokenizer(pipeline, folder)
    tokenizer, text = pipeline.tokenizer, pipeline.text_encoder.config
    image = mf.Image(
        pipeline.image_size,
        pipeline.vae_scale_factor,
        pipeline.vae.config.latent_channels,
        pipeline.latent_size,
        pipeline.vae.config.scaling_factor,
    )
    manifest = mf.Manifest(
        model=mf.Model(name, pipeline.weights_sha256()),
        backend=BACKEND,
        image=image,
        text=mf.Text(
            pipeline.max_length,
            text.hidden_size,
            text.vocab_size,
            tokenizer.bos_token_id,
            tokenizer.eos_token_id,
            tokenizer.pad_token_id,
            options.max_modifier_tokens,
            TOKENIZER_FILES["vocab"],
            TOKENIZER_FILES["merges"],
            TOKEN_EMBEDDINGS,
        ),
        noise=mf.Noise(pipeline.prediction_type, pipeline.betas),
        batch=options.batch,
        layers=[mf.Layer(layer.name, layer.channels) for layer in cross_attention_layers(pipeline.unet)],
        tensors=tensors,
        methods=methods,
        adapters=write_adapters(pipeline, options, folder),
        prior=write_prior(pipeline, prior_pack, folder),
        recommended=pipeline.recommended,
    )
    for path in mf.files_in(folder).values():
        path.chmod(0o644)
    mf.write(folder, manifest)
    return Built(programs, list(parities.values()))


def install(staging: Path, output: Path) -> None:
    """Put the finished `staging` folder in the place of `output`; an old one is moved away first, then removed."""
    staging.chmod(0o755)
    if not output.exists():
        staging.rename(output)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{output.name}.old.", dir=output.parent))
    output.rename(old / "bundle")
    staging.rename(output)
    shutil.rmtree(old)


def objection(output: Path, force: bool) -> str | None:
    """Why `output` must not be written, or None. --force replaces a bundle, never a folder of something else."""
    if not output.exists():
        return None
    if not force:
        return f"{output} exists; --force replaces it"
    if not output.is_dir() or (any(output.iterdir()) and not (output / mf.FILE_NAME).exists()):
        return f"{output} exists and is no bundle; it is not replaced"
    return None


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="pipeline folder (diffusers' layout)")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="the bundle's folder")
    parser.add_argument("--name", default="likeness-default", help="the model's name in the manifest")
    parser.add_argument("--train-batch", type=int, default=4)
    parser.add_argument("--denoise-batch", type=int, default=2)
    parser.add_argument("--text-batch", type=int, default=4)
    parser.add_argument("--max-modifier-tokens", type=int, default=2)
    parser.add_argument("--lora-rank", type=int, default=8)
    parser.add_argument(
        "--staged",
        action="store_true",
        help="cut denoise and train_step into stages, for a UNet too large for the device to hold whole",
    )
    parser.add_argument("--prior-pack", type=Path, help=f"safetensors; {DEFAULT_PRIOR} for the default model")
    parser.add_argument(
        "--jobs", type=int, default=min(2, os.cpu_count() or 1), help="methods at a time, each a process of its own"
    )
    parser.add_argument("--report", type=Path, default=DEFAULT_REPORT, help="parity and program figures, JSON")
    parser.add_argument("--force", action="store_true", help="replace an existing output")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    prior_pack = args.prior_pack
    if prior_pack is None and args.model == DEFAULT_MODEL and DEFAULT_PRIOR.exists():
        prior_pack = DEFAULT_PRIOR
    problem = objection(args.output, args.force)
    if problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    options = Options(
        mf.Batch(args.text_batch, args.train_batch, args.denoise_batch, 1),
        args.max_modifier_tokens,
        args.lora_rank,
        args.staged,
    )
    args.output.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{args.output.name}.", dir=args.output.parent))
    begun = time.monotonic()
    try:
        pipeline = load_pipeline(args.model)
        built = build(pipeline, options, args.name, prior_pack, staging, args.jobs)
        print(text_report(built))
        write_report(built, args.report, time.monotonic() - begun)
        check_all(built.parities)
        install(staging, args.output)
    except (BundleError, UnsupportedModelError, ParityError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
