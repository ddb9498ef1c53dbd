"""Check a Core ML bundle on a Mac: compile, predict, compare with stored vectors, and see where each operation runs.

    make export TARGET=coreml                       # anywhere: the bundle, and vectors beside its report
    python -m export.coreml_check out/bundle-coreml # on a Mac with macOS 15 or later

For every method: the figures of export/parity.py against what the stock PyTorch modules gave, the median milliseconds
of a prediction, and how many operations Core ML means to run on the Neural Engine, the GPU and the CPU (MLComputePlan).
Exit code 1 when a method is beyond its bounds.

--on interpreter does the comparison with export/coreml/interpreter.py instead, on any machine: no placement, and times
that say nothing of a phone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from export.coreml.interpreter import PackageError
from export.coreml.program import InterpretedProgram, Program, run_of
from export.coreml.vectors import Vectors, VectorsError, read_vectors
from export.parity import Parity, ParityError, as_called, check_all, figures, table
from export.run_stages import run_method
from models import manifest as mf

DEFAULT_BUNDLE = Path("out/bundle-coreml")
DEFAULT_VECTORS = Path("out/export-coreml/vectors")
COMPUTE_UNITS = ("ALL", "CPU_AND_NE", "CPU_AND_GPU", "CPU_ONLY")


@dataclass(frozen=True)
class Checked:
    """One method: how exact, how fast (median milliseconds), and operations by device."""

    parity: Parity
    milliseconds: float
    placement: dict[str, int]


def check_method(
    manifest: mf.Manifest, name: str, vectors: Vectors, open_program: Callable[[mf.Program], Program], repeats: int
) -> Checked:
    """Run the method on its vectors, `repeats` times for the clock. Stages are opened once and kept."""
    method = manifest.methods[name]
    opened: dict[str, Program] = {}

    def load(program: mf.Program) -> Program:
        key = f"{program.program} {program.function}"
        if key not in opened:
            opened[key] = open_program(program)
        return opened[key]

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        return run_method(method, list(vectors.inputs), list(vectors.outputs), lambda p: run_of(load(p), p), inputs)

    step = as_called(run, name, manifest.train_precision)
    inputs = list(vectors.inputs.values())
    parity = figures(name, list(vectors.outputs), step(inputs), list(vectors.outputs.values()))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step(inputs)
        times.append((time.perf_counter() - start) * 1e3)
    placement: dict[str, int] = {}
    for program in opened.values():
        for device, count in program.placement().items():
            placement[device] = placement.get(device, 0) + count
    return Checked(parity, statistics.median(times), placement)


def report(checked: list[Checked]) -> str:
    lines = [table([one.parity for one in checked]), "", f"{'method':24} {'ms':>9}  operations by device"]
    for one in checked:
        devices = ", ".join(f"{device} {count}" for device, count in sorted(one.placement.items())) or "not known"
        lines.append(f"{one.parity.method:24} {one.milliseconds:9.2f}  {devices}")
    return "\n".join(lines)


def opener(bundle: Path, on: str, compute_units: str) -> Callable[[mf.Program], Program]:
    """How this machine opens a program. Raises PackageError where it has no Core ML."""
    if on == "interpreter":
        return lambda program: InterpretedProgram(bundle / program.program, program.function)
    if sys.platform != "darwin":
        raise PackageError("there is Core ML on a Mac only; --on interpreter compares on any machine")
    from export.coreml.mac_program import MacProgram

    return lambda program: MacProgram(bundle / program.program, program.function, compute_units)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?", default=DEFAULT_BUNDLE)
    parser.add_argument("--vectors", type=Path, default=DEFAULT_VECTORS, help="as make_bundle wrote them")
    parser.add_argument("--on", choices=("coreml", "interpreter"), default="coreml")
    parser.add_argument("--compute-units", choices=COMPUTE_UNITS, default="ALL")
    parser.add_argument("--repeats", type=int, default=10, help="predictions for the clock")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    try:
        open_program = opener(args.bundle, args.on, args.compute_units)
        manifest = mf.read(args.bundle)
        if manifest.backend != "coreml":
            raise PackageError(f"{args.bundle} is made for {manifest.backend}, not for Core ML")
        vectors = {name: read_vectors(args.vectors, name) for name in manifest.methods}
        checked = [
            check_method(manifest, name, vectors[name], open_program, args.repeats)
            for name in tqdm(manifest.methods, desc="checking", unit="method", disable=None)
        ]
        print(report(checked))
        check_all([one.parity for one in checked], lambda name: vectors[name].bounds)
    except (mf.BundleError, PackageError, ParityError, VectorsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
