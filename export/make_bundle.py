"""Export a Stable-Diffusion-1.x-shaped pipeline folder to a bundle a phone can run (docs/bundle.md).

    python -m export.make_bundle --model models/default/student --output out/bundle
    python -m export.make_bundle --target coreml --output out/bundle-coreml

The bundle is written beside the output and renamed when it is whole, and only after every program was run and compared
with the pipeline it came from (out/export/report.json; Core ML programs are run by export/coreml/interpreter.py).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from export.bundle_files import TOKEN_EMBEDDINGS, TOKENIZER_FILES, write_adapters, write_prior, write_tokenizer
from export.coreml.settings import (
    ATTENTION_FORMS,
    IOS_VERSIONS,
    PRECISIONS,
    WEIGHTS,
    CoremlSettings,
)
from export.methods import Options, adapter_specs, all_methods
from export.parity import ParityError, check_all
from export.pipeline import Pipeline, load_pipeline
from export.programs import add_tensors, compare_all, make_programs, manifest_methods, program_methods
from export.reference import Reference
from export.report import Built, text_report, write_report
from export.target import Target
from models import manifest as mf
from models.kv_boundary import UnsupportedModelError, cross_attention_layers
from models.manifest import BundleError

DEFAULT_MODEL = Path("models/default/student")
DEFAULT_PRIOR = Path("models/default/prior_pack.safetensors")
DEFAULT_OUTPUT = {"executorch": Path("out/bundle"), "coreml": Path("out/bundle-coreml")}
DEFAULT_REPORT = {"executorch": Path("out/export/report.json"), "coreml": Path("out/export-coreml/report.json")}


def build(
    pipeline: Pipeline, options: Options, target: Target, name: str, prior_pack: Path | None, folder: Path, jobs: int
) -> Built:
    """Write the whole bundle into the empty `folder`, every method compared with the stock modules."""
    names = [method.name for method in program_methods(pipeline, options)]
    programs = make_programs(pipeline.folder, options, target, names, folder, jobs)
    placed = target.put_together({name: made.program for name, made in programs.items()}, folder)
    methods = manifest_methods(placed)
    parities = compare_all(pipeline, options, methods, folder, target)
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
        backend=target.backend,
        train_precision=target.train_precision,
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
    size = sum(entry.size for entry in manifest.files.values())
    return Built({name: made.lowered for name, made in programs.items()}, parities, size)


def write_test_vectors(pipeline: Pipeline, options: Options, target: Target, folder: Path) -> None:
    """What `export.coreml_check` compares with on a Mac."""
    from export.coreml.vectors import write_vectors

    reference = Reference(pipeline, adapter_specs(pipeline, options), options.max_modifier_tokens)
    write_vectors(all_methods(pipeline, options), reference, target.bounds, folder)


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
    parser.add_argument("--target", choices=("executorch", "coreml"), default="executorch", help="the phone's runtime")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="pipeline folder (diffusers' layout)")
    parser.add_argument(
        "--output", type=Path, help="the bundle's folder (default: out/bundle, for Core ML out/bundle-coreml)"
    )
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
    parser.add_argument(
        "--report",
        type=Path,
        help="parity and program figures, JSON (default: out/export/report.json, for Core ML out/export-coreml/…)",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing output")
    add_coreml_arguments(parser.add_argument_group("Core ML (--target coreml)"))
    args = parser.parse_args(arguments)
    args.output = args.output or DEFAULT_OUTPUT[args.target]
    args.report = args.report or DEFAULT_REPORT[args.target]
    return args


def add_coreml_arguments(group: argparse._ArgumentGroup) -> None:
    default = CoremlSettings()
    group.add_argument(
        "--ios",
        type=int,
        choices=IOS_VERSIONS,
        default=default.ios,
        help="the oldest iOS it is for; from 18 on, methods of the same weights share them in one package",
    )
    group.add_argument(
        "--attention",
        choices=ATTENTION_FORMS,
        default=default.attention,
        help="split_einsum: head by head in convolutions' layout, for the Neural Engine; original: for the GPU",
    )
    group.add_argument("--weights", choices=WEIGHTS, default=default.weights, help="how weights are stored")
    group.add_argument(
        "--train-precision", choices=PRECISIONS, default=default.train_precision, help="in which train_step computes"
    )


def target_of(args: argparse.Namespace) -> Target:
    # Imported here: each brings a library of seconds with it, and only one is needed.
    if args.target == "coreml":
        from export.coreml.target import CoremlTarget

        return CoremlTarget(CoremlSettings(args.ios, args.attention, args.weights, args.train_precision))
    from export.executorch_target import ExecutorchTarget

    return ExecutorchTarget()


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    prior_pack = args.prior_pack
    if prior_pack is None and args.model == DEFAULT_MODEL and DEFAULT_PRIOR.exists():
        prior_pack = DEFAULT_PRIOR
    problem = objection(args.output, args.force)
    if problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    target = target_of(args)
    options = Options(
        mf.Batch(args.text_batch, args.train_batch, args.denoise_batch, 1),
        args.max_modifier_tokens,
        args.lora_rank,
        args.staged,
        target.forms,
    )
    args.output.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{args.output.name}.", dir=args.output.parent))
    begun = time.monotonic()
    try:
        pipeline = load_pipeline(args.model)
        built = build(pipeline, options, target, args.name, prior_pack, staging, args.jobs)
        print(text_report(built))
        write_report(built, args.report, time.monotonic() - begun)
        check_all(built.parities, target.bounds)
        if args.target == "coreml":
            write_test_vectors(pipeline, options, target, args.report.parent / "vectors")
        install(staging, args.output)
    except (BundleError, UnsupportedModelError, ParityError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
