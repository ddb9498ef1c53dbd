"""Runs every program of a bundle and compares it with the stock PyTorch modules (`export.reference`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from executorch.runtime import Runtime, Verification
from torch import Tensor

from export.methods import Method
from export.reference import Reference

SEEDS = (11, 12, 13)
MAX_RELATIVE_ERROR = 1e-3
"""Largest difference over the largest value. float32 sums in another order give 1e-6 to 1e-4 over so many layers."""
MIN_COSINE = 0.9999
MIN_PSNR = 60.0


class ParityError(ValueError):
    """A program does not compute what the model it came from computes; the message names it and its worst figure."""


@dataclass(frozen=True)
class Parity:
    """The worst of all outputs and inputs of one method."""

    method: str
    relative_error: float
    cosine: float
    psnr: float
    output: str

    def failed(self) -> bool:
        return not (self.relative_error <= MAX_RELATIVE_ERROR and self.cosine >= MIN_COSINE and self.psnr >= MIN_PSNR)


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """max |actual − expected| / max |expected|; not a number where either has one."""
    scale = expected.abs().max().item()
    return (actual - expected).abs().max().item() / max(scale, 1e-12)


def cosine(actual: Tensor, expected: Tensor) -> float:
    a, b = actual.double().flatten(), expected.double().flatten()
    norms = (a.norm() * b.norm()).item()
    return (a @ b).item() / norms if norms > 0 else float((a - b).norm().item() == 0)


def psnr(actual: Tensor, expected: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, the peak being the largest absolute expected value."""
    error = (actual - expected).double().square().mean().item()
    peak = max(expected.abs().max().item(), 1e-12)
    return 300.0 if error == 0 else 10 * math.log10(peak * peak / error)


class Program:
    """One `.pte`, loaded; `run(inputs)` → copies of its outputs."""

    def __init__(self, path: Path) -> None:
        program = Runtime.get().load_program(path, verification=Verification.Minimal)
        method = program.load_method("forward")
        if method is None:
            raise ParityError(f"{path.name} has no method forward")
        self._program, self._method = program, method

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        return [x.clone() for x in self._method.execute(list(inputs))]


Run = Callable[[Sequence[Tensor]], list[Tensor]]


def compare(method: Method, run: Run, reference: Reference, seeds: Sequence[int] = SEEDS) -> Parity:
    """The worst figures over `seeds` of `run`, which makes `method`'s outputs of its inputs."""
    worst = Parity(method.name, 0.0, 1.0, 300.0, "")
    for seed in seeds:
        inputs = method.example(seed)
        expected = reference.run(method.name, inputs)
        actual = run(inputs)
        if len(actual) != len(expected):
            raise ParityError(f"{method.name} gives {len(actual)} outputs, not {len(expected)}")
        for name, a, e in zip(method.outputs, actual, expected, strict=True):
            if a.shape != e.shape:
                raise ParityError(f"{method.name}: {name} is {list(a.shape)}, not {list(e.shape)}")
            error = relative_error(a, e)
            error = math.inf if math.isnan(error) else error
            worst = Parity(
                method.name,
                max(worst.relative_error, error),
                min(worst.cosine, cosine(a, e)) if math.isfinite(error) else -1.0,
                min(worst.psnr, psnr(a, e)) if math.isfinite(error) else -math.inf,
                name if error > worst.relative_error else worst.output,
            )
    return worst


def check_all(results: Sequence[Parity]) -> None:
    """Raise ParityError that names every method beyond the bounds."""
    failed = [result for result in results if result.failed()]
    if failed:
        lines = [
            f"{r.method}: {r.output}: relative error {r.relative_error:.2g}, cosine {r.cosine:.6f}, {r.psnr:.1f} dB"
            for r in failed
        ]
        raise ParityError("programs differ from the model they came from:\n  " + "\n  ".join(lines))


def table(results: Sequence[Parity]) -> str:
    """Readable text, one line a method."""
    lines = [f"{'method':24} {'rel. error':>10} {'cosine':>10} {'PSNR dB':>8}  worst output"]
    for r in results:
        lines.append(f"{r.method:24} {r.relative_error:10.1e} {r.cosine:10.7f} {r.psnr:8.1f}  {r.output}")
    return "\n".join(lines)


def flat_figures(results: Sequence[Parity]) -> dict[str, float]:
    """`<method>_relative_error`, `_cosine` and `_psnr_db` of each, and the worst relative error of all forward methods
    and of all that give gradients.
    """
    figures: dict[str, float] = {}
    for r in results:
        figures |= {
            f"{r.method}_relative_error": r.relative_error,
            f"{r.method}_cosine": r.cosine,
            f"{r.method}_psnr_db": r.psnr,
        }
    for name, gradients in (("forward", False), ("gradient", True)):
        errors = [r.relative_error for r in results if gives_gradients(r.method) == gradients]
        figures[f"worst_{name}_relative_error"] = max(errors, default=0.0)
    return figures


def gives_gradients(method: str) -> bool:
    return method == "train_step" or "_vjp" in method
