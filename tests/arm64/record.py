"""One personalization and its pictures on this machine, in files that compare.py can hold against another machine's.

    python -m tests.arm64.record --bundle build/test_bundles/default/bundle --photos photos --output out/arm64/x86_64

LIKENESS_LIBRARY names the core. Leaves in the output folder, from the parts that are the core's own to those that go
through the network more and more often:

    tokens.json             token ids of many texts
    reconstruction.npy      the first photo through the image encoder and decoder
    step1.safetensors       the adapter after one step
    adapter.safetensors     the adapter after `--steps` of them
    losses.json             the loss of each step
    plain.npy, learned.npy  a picture of the class, and one of the subject with the adapter
    machine.json            what this ran on, and how long it took
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import time
from pathlib import Path

import numpy as np

from device_runtime import CancelledError, Engine, Progress, Session, load_photo
from device_runtime.photos import find_photos

TOKEN = "<my-cat>"
CLASS = "cat"
SEED = 1
SAMPLING_STEPS = 4


def texts() -> list[str]:
    """Words, punctuation, scripts and whitespace; no text that only one normalization or one split rule sees."""
    words = [
        "a photo of a cat",
        "It's the CAT's 12345 whiskers!!",
        "naïve café Straße",
        "東京の猫 и кот",
        "🐈‍⬛ cat\t\n cat",
    ]
    blocks = ["".join(chr(c) for c in range(start, start + 64)) for start in range(0x20, 0x3000, 0x40)]
    return words + blocks


def photos(folder: Path) -> list[np.ndarray]:
    return [load_photo(path) for path in find_photos(folder)]


def personalize(engine: Engine, pictures: list[np.ndarray], steps: int, out: Path) -> list[float]:
    """Train for `steps`, write the adapter after the first and after the last; returns the loss of each step."""
    losses: list[float] = []

    def stop_after_the_first(p: Progress) -> bool:
        if p.phase == "training":
            losses.append(p.loss)
        return p.phase == "training" and p.step == 1

    # Without the warm-up, whose first step would change nothing; a view a photo, since encoding takes longest here.
    changes = {"seed": SEED, "steps": steps, "warmup_steps": 0, "views": len(pictures)}
    settings = engine.train_settings(class_name=CLASS, token=TOKEN, **changes)
    with Session.create(engine, settings) as session:
        for picture in pictures:
            session.add_photo(picture)
        with contextlib.suppress(CancelledError):
            session.run(stop_after_the_first)
        session.save_adapter(out / "step1.safetensors")
        session.run(stop_after_the_first)
        session.save_adapter(out / "adapter.safetensors")
    if len(losses) != steps:
        raise RuntimeError(f"{len(losses)} steps were taken, not {steps}")
    return losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument(
        "--photos", type=Path, required=True, help="folder of pictures, PNG: every machine reads them alike"
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5)
    args = parser.parse_args()
    out: Path = args.output
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with Engine(args.bundle, threads=1) as engine:
        (out / "tokens.json").write_text(json.dumps([engine.tokenize(text) for text in texts()]))
        pictures = photos(args.photos)
        np.save(out / "reconstruction.npy", engine.encode_decode(pictures[0]))
        training = time.monotonic()
        losses = personalize(engine, pictures, args.steps, out)
        training = time.monotonic() - training
        (out / "losses.json").write_text(json.dumps(losses))
        sampling = {"seed": SEED, "steps": SAMPLING_STEPS}
        np.save(out / "plain.npy", engine.generate(f"a photo of a {CLASS}", **sampling))
        with engine.load_adapter(out / "adapter.safetensors") as adapter:
            np.save(out / "learned.npy", engine.generate(f"a photo of a {TOKEN} {CLASS}", adapter, **sampling))
    machine = {
        "machine": platform.machine(),
        "steps": args.steps,
        "training_seconds": round(training, 1),
        "seconds": round(time.monotonic() - started, 1),
    }
    (out / "machine.json").write_text(json.dumps(machine))


if __name__ == "__main__":
    main()
