"""Kill a personalization with SIGKILL at random instants, resume it each time, and compare the end.

    python -m tests.kill_loop --kills 200

One session runs undisturbed. Another is killed `--kills` times, each time after a random moment, from its first
instruction to its last write, and resumed by the same command. Both must end in equal adapter files and equal
journals. Exits with 1, and says what differs, if they do not. Writes report.json to `--output`:

    kills                 SIGKILLs that hit a session under way
    sessions              sessions brought to their end, the undisturbed one not counted
    differences           files that were not the same bytes, or were left behind; 0 when all is well
    undisturbed_seconds   what one session takes when nobody kills it
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from tests.bundles import REPOSITORY, ensure

JOURNAL_FILES = ("state.safetensors", "views.safetensors")


def make_photos(folder: Path, count: int = 3) -> None:
    """Pictures with some structure, always the same."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(7)
    for i in range(count):
        coarse = Image.fromarray(generator.integers(0, 256, (5, 6, 3), np.uint8))
        coarse.resize((120, 100), Image.Resampling.BICUBIC).save(folder / f"{i}.png")


def command(bundle: Path, work: Path, name: str, steps: int) -> list[str]:
    arguments = {
        "--bundle": bundle,
        "--photos": work / "photos",
        "--class-name": "dog",
        "--token": "<my-dog>",
        "--output": work / f"{name}.safetensors",
        "--journal": work / f"{name}.journal",
        "--steps": steps,
        "--optimizer": "muon",
        "--prior-text-weight": 100,
        "--views": 6,
        "--seed": 3,
        "--checkpoint-every": 2,
        "--threads": 1,
    }
    flat = [str(part) for pair in arguments.items() for part in pair]
    return [sys.executable, "-m", "device_runtime", "personalize", "--skip-hash-check", *flat]


def run(arguments: list[str], kill_after: float | None) -> tuple[bool, float]:
    """(ended by itself, seconds). Raises RuntimeError if it ended with an error."""
    started = time.monotonic()
    process = subprocess.Popen(arguments, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _, messages = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return False, time.monotonic() - started
    if process.returncode != 0:
        raise RuntimeError(f"exit code {process.returncode}:\n{messages[-3000:]}")
    return True, time.monotonic() - started


def differences(work: Path) -> list[str]:
    """Files of the two sessions that are not equal."""
    pairs = [("whole.safetensors", "killed.safetensors")]
    pairs += [(f"whole.journal/{file}", f"killed.journal/{file}") for file in JOURNAL_FILES]
    return [b for a, b in pairs if (work / a).read_bytes() != (work / b).read_bytes()]


def kill_loop(bundle: Path, work: Path, kills: int, steps: int, seed: int) -> tuple[list[str], dict[str, float]]:
    """Differences between a session that was killed `kills` times and one that was not, and the report."""
    make_photos(work / "photos")
    _, whole_seconds = run(command(bundle, work, "whole", steps), None)
    dice = random.Random(seed)
    killed = command(bundle, work, "killed", steps)
    done = finished = 0
    problems: list[str] = []
    while done < kills and not problems:
        ended, _ = run(killed, dice.uniform(0.0, 1.15) * whole_seconds)
        if ended:  # start over: kills must fall on a session that is under way
            finished += 1
            problems = differences(work)
            shutil.rmtree(work / "killed.journal")
            (work / "killed.safetensors").unlink()
        done += not ended
    if not problems:
        run(killed, None)
        finished += 1
        left = [path.name for path in (work / "killed.journal").iterdir() if ".tmp-" in path.name]
        problems = differences(work) + left
    report = {
        "kills": done,
        "sessions": finished,
        "differences": len(problems),
        "undisturbed_seconds": round(whole_seconds, 2),
    }
    return problems, report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    parser.add_argument("--bundle", type=Path, help="default: a very small model's, built where it is missing")
    parser.add_argument("--output", type=Path, default=Path("out/test-kill"))
    args = parser.parse_args()
    bundle = args.bundle or ensure("tiny").bundle
    with tempfile.TemporaryDirectory() as folder:
        problems, report = kill_loop(bundle.resolve(), Path(folder), args.kills, args.steps, args.seed)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(", ".join(f"{key} {value}" for key, value in report.items()))
    for problem in problems:
        print(f"different: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
