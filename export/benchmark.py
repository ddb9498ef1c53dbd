"""Time a bundle's programs against the stock PyTorch modules on this machine, by turns.

    python -m export.benchmark out/bundle --model models/default/student --threads 2

Both sides take the same inputs and give the same outputs. Reported: median and least milliseconds of each, and the
ratio of the medians (below 1: the bundle is faster). On a machine that is busy with other things, `--threads 1 --cpu`
counts the processor's time instead of the clock's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool

from export.executorch_target import LoadedProgram
from export.methods import Options, adapter_specs, all_methods
from export.pipeline import load_pipeline
from export.reference import Reference
from models import manifest as mf

METHODS = ("denoise", "train_step")


def milliseconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    call()
    return (clock() - start) * 1e3


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--model", type=Path, required=True, help="the pipeline folder the bundle was made from")
    parser.add_argument("--threads", type=int, default=2, help="of both sides")
    parser.add_argument("--cpu", action="store_true", help="processor time of all threads, not the clock's")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    _unsafe_reset_threadpool(args.threads)
    clock = time.process_time if args.cpu else time.perf_counter
    manifest = mf.read(args.bundle)
    pipeline = load_pipeline(args.model)
    rank = manifest.adapters["lora"].rank or 1
    options = Options(manifest.batch, manifest.text.max_modifier_tokens, rank)
    reference = Reference(pipeline, adapter_specs(pipeline, options), options.max_modifier_tokens)
    for method in all_methods(pipeline, options):
        if method.name not in args.methods:
            continue
        program = LoadedProgram(args.bundle / "methods" / f"{method.name}.pte")
        inputs = method.example(1)
        sides: dict[str, Callable[[], object]] = {
            "bundle": partial(program.run, inputs),
            "eager": partial(reference.run, method.name, inputs),
        }
        times: dict[str, list[float]] = {side: [] for side in sides}
        for call in sides.values():
            call()
        for _ in range(args.repeats):
            for side, call in sides.items():
                times[side].append(milliseconds(call, clock))
        medians = {side: statistics.median(values) for side, values in times.items()}
        text = "  ".join(f"{s} {medians[s]:.1f} ms (least {min(times[s]):.1f})" for s in sides)
        least = min(times["bundle"]) / min(times["eager"])
        print(
            f"{method.name:12} {text}  ratio {medians['bundle'] / medians['eager']:.2f} (least {least:.2f})", flush=True
        )


if __name__ == "__main__":
    main()
