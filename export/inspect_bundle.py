"""Print what a bundle holds and verify every file's hash. Exit code 1, with the fault named, when something is wrong.

python -m export.inspect_bundle out/bundle
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from models import manifest as mf


def describe(manifest: mf.Manifest) -> str:
    """The manifest as readable text."""
    image, text, batch = manifest.image, manifest.text, manifest.batch
    betas = manifest.noise.betas
    lines = [
        f"model       {manifest.model.name}  weights {manifest.model.weights_sha256[:16]}…  ({manifest.backend}, "
        f"trained in {manifest.train_precision})",
        f"image       {image.size} px, latents {image.latent_channels}×{image.latent_size}×{image.latent_size}, "
        f"scaling {image.scaling_factor}",
        f"text        {text.max_length} tokens of {text.vocab_size}, width {text.hidden_size}, "
        f"{text.max_modifier_tokens} modifier tokens",
        f"noise       {manifest.noise.prediction_type}, {len(betas)} steps, beta {betas[0]:g} … {betas[-1]:g}",
        f"batch       text {batch.text}, train {batch.train}, denoise {batch.denoise}, image {batch.image}",
        f"layers      {len(manifest.layers)}: " + ", ".join(str(layer.channels) for layer in manifest.layers),
    ]
    for kind, adapter in manifest.adapters.items():
        numbers = sum(_product(tensor.shape) for tensor in adapter.tensors)
        rank = "" if adapter.rank is None else f", rank {adapter.rank}"
        lines.append(f"adapter     {kind}{rank}: {len(adapter.tensors)} tensors, {numbers:,} numbers")
    counts = {name: len(entry.latents) for name, entry in manifest.prior.classes.items()}
    lines.append("prior       " + (", ".join(f"{name} {n}" for name, n in counts.items()) or "none"))
    lines.append("")
    lines.append(f"{'method':26} {'stages':>6} {'inputs':>6} {'outputs':>7} {'MB':>8}")
    for name, method in manifest.methods.items():
        programs = [p for stage in method.stages for p in (stage.forward, stage.backward) if p is not None]
        size = sum(manifest.files[name].size for name in _files_of(manifest, programs))
        first, last = programs[0], programs[-1]
        lines.append(
            f"{name:26} {len(method.stages):6} {len(first.inputs):6} {len(last.outputs):7} {size / 2**20:8.2f}"
        )
    total = sum(entry.size for entry in manifest.files.values())
    lines += ["", f"{len(manifest.files)} files, {total / 2**20:.2f} MB"]
    return "\n".join(lines)


def _files_of(manifest: mf.Manifest, programs: list[mf.Program]) -> set[str]:
    return {name for program in programs for name in mf.program_files(manifest, program.program)}


def _product(shape: list[int]) -> int:
    out = 1
    for size in shape:
        out *= size
    return out


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    args = parser.parse_args(arguments)
    try:
        manifest = mf.read(args.bundle, verify_files=False)
        print(describe(manifest))
        mf.verify(args.bundle, manifest)
    except mf.BundleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("every file has the manifest's size and SHA-256")
    return 0


if __name__ == "__main__":
    sys.exit(main())
