"""The bundles that tests of the runtime run on: a very small model's with random weights, whole and in stages, and the
default model's.

    python -m tests.bundles tiny tiny-staged default

Each is exported once into build/test_bundles, in a process of its own (the exporter's ExecuTorch and the core's are two
copies of one library and must not meet), and again when the exporter or the model changes.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = REPOSITORY / "build" / "test_bundles"
DEFAULT_MODEL = REPOSITORY / "models" / "default"
TINY = ("tiny", "tiny-staged")
NAMES = (*TINY, "default")


@dataclass(frozen=True)
class ExportedModel:
    """`model` is the pipeline's folder, `bundle` what was exported of it."""

    model: Path
    bundle: Path


def make_tiny_model(folder: Path) -> None:
    """32 pixels, 8 x 8 latents, three cross-attentions; the tokenizer is sd_shaped's."""
    from tests import sd_shaped

    sd_shaped.save_pipeline(
        folder,
        unet=sd_shaped.make_unet(
            True,
            sample_size=8,
            block_out_channels=(16, 32),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=32,
            attention_head_dim=2,
            norm_num_groups=8,
        ),
        vae=sd_shaped.make_autoencoder(
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            block_out_channels=(8, 8, 16),
            sample_size=32,
            norm_num_groups=4,
        ),
        text_encoder=sd_shaped.make_text_encoder(
            hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2
        ),
    )


def sources(name: str) -> Iterator[Path]:
    """Every file that decides what the bundle `name` holds."""
    yield from REPOSITORY.glob("export/*.py")
    yield from REPOSITORY.glob("models/*.py")
    yield Path(__file__)
    if name in TINY:
        yield REPOSITORY / "tests" / "sd_shaped.py"
    else:
        yield from (path for path in DEFAULT_MODEL.rglob("*") if path.is_file() and path.suffix != ".md")


def sources_sha256(name: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(sources(name)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def export(name: str, folder: Path) -> None:
    """Export the bundle `name` to `folder`/bundle. Raises CalledProcessError with the exporter's messages shown."""
    arguments = ["--output", str(folder / "bundle"), "--report", str(folder / "report.json"), "--force"]
    if name in TINY:
        shutil.rmtree(folder / "model", ignore_errors=True)
        make_tiny_model(folder / "model" / "student")
        pack = next(folder.glob("model/**/prior_pack.safetensors"))
        arguments += ["--model", str(folder / "model" / "student"), "--prior-pack", str(pack)]
        arguments += ["--name", "tiny", "--lora-rank", "4", *(["--staged"] if name == "tiny-staged" else [])]
    subprocess.run([sys.executable, "-m", "export.make_bundle", *arguments], cwd=REPOSITORY, check=True)


def ensure(name: str) -> ExportedModel:
    """The bundle `name` of `NAMES`, exported where it is missing or out of date.

    Two processes do not export it twice.
    """
    folder = FOLDER / name
    model = folder / "model" / "student" if name in TINY else DEFAULT_MODEL / "student"
    exported = ExportedModel(model, folder / "bundle")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, wanted = folder / "sources.sha256", sources_sha256(name)
        if not (exported.bundle / "manifest.json").exists() or not stamp.exists() or stamp.read_text() != wanted:
            export(name, folder)
            stamp.write_text(wanted)
    return exported


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=NAMES)
    for name in parser.parse_args().names:
        print(ensure(name).bundle)
    return 0


if __name__ == "__main__":
    sys.exit(main())
