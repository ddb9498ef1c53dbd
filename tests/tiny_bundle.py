"""A bundle of a very small model with random weights, for tests of the runtime: seconds to train, minutes to export.

    python -m tests.tiny_bundle --output build/tiny_bundle

The folder holds `model/` (a pipeline as diffusers saves it) and `bundle/`. It is built again when the exporter changes.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULT_OUTPUT = REPOSITORY / "build" / "tiny_bundle"


@dataclass(frozen=True)
class TinyBundle:
    """`model` is the pipeline's folder, `bundle` what was exported of it."""

    model: Path
    bundle: Path


def make_model(folder: Path) -> None:
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


def source_hash() -> str:
    """Of every file that decides what the bundle holds: one made by older code is made again."""
    sources = [*REPOSITORY.glob("export/*.py"), *REPOSITORY.glob("models/*.py")]
    sources += [REPOSITORY / "tests" / "sd_shaped.py", Path(__file__)]
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def ensure(output: Path = DEFAULT_OUTPUT) -> TinyBundle:
    """The bundle, built where it is missing or out of date. Two processes do not build it twice."""
    tiny = TinyBundle(output / "model" / "student", output / "bundle")
    output.mkdir(parents=True, exist_ok=True)
    with open(output / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, sources = output / "sources.sha256", source_hash()
        if (tiny.bundle / "manifest.json").exists() and stamp.exists() and stamp.read_text() == sources:
            return tiny
        from export import make_bundle

        shutil.rmtree(tiny.model, ignore_errors=True)
        make_model(tiny.model)
        arguments = ["--model", str(tiny.model), "--output", str(tiny.bundle), "--name", "tiny", "--lora-rank", "4"]
        arguments += ["--report", str(output / "report.json")]
        pack = next(output.glob("model/**/prior_pack.safetensors"))
        if make_bundle.main([*arguments, "--prior-pack", str(pack), "--force"]) != 0:
            raise RuntimeError("the tiny bundle could not be exported")
        stamp.write_text(sources)
    return tiny


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT)
    print(ensure(parser.parse_args().output).bundle)
    return 0


if __name__ == "__main__":
    sys.exit(main())
