"""Compares what a bundle's methods give with the stock PyTorch modules (`export.reference`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from export.methods import Method
from export.reference import Reference
from export.target import Bounds, Run

SEEDS = (11, 12, 13)
LOSS_SCALE = 1024.0
"""What a float16 training step's weights are multiplied by, as the core does at first (`loss_scale.h`)."""


class ParityError(ValueError):
    """A program does not compute what the model it came from computes; the message names it and its worst figure."""


@dataclass(frozen=True)
class Parity:
    """The worst of all outputs and inputs of one method. `relative_error`: largest difference over largest value."""

    method: str
    relative_error: float
    cosine: float
    psnr: float
    output: str

    def within(self, bounds: Bounds) -> bool:
        return (
            self.relative_error <= bounds.relative_error and self.cosine >= bounds.cosine and self.psnr >= bounds.psnr
        )


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


def as_called(run: Run, method: str, train_precision: str) -> Run:
    """`run` as the core calls it: a float16 training step with its loss, and so its gradients, scaled on the way.

    Its last input is `weight`.
    """
    if method != "train_step" or train_precision != "float16":
        return run

    def scaled(inputs: Sequence[Tensor]) -> list[Tensor]:
        *others, weight = inputs
        return [output / LOSS_SCALE for output in run([*others, weight * LOSS_SCALE])]

    return scaled


def compare(method: Method, run: Run, reference: Reference, seeds: Sequence[int] = SEEDS) -> Parity:
    """The worst figures over `seeds` of `run`, which makes `method`'s outputs of its inputs."""
    examples = (method.example(seed) for seed in seeds)
    return worst(
        figures(method.name, method.outputs, run(inputs), reference.run(method.name, inputs)) for inputs in examples
    )


def figures(method: str, names: Sequence[str], actual: Sequence[Tensor], expected: Sequence[Tensor]) -> Parity:
    """The worst of the outputs `names` of `method`. Raises ParityError where their number or a shape differs."""
    if len(actual) != len(expected):
        raise ParityError(f"{method} gives {len(actual)} outputs, not {len(expected)}")
    return worst(_figures(method, *output) for output in zip(names, actual, expected, strict=True))


def _figures(method: str, name: str, actual: Tensor, expected: Tensor) -> Parity:
    if actual.shape != expected.shape:
        raise ParityError(f"{method}: {name} is {list(actual.shape)}, not {list(expected.shape)}")
    error = relative_error(actual, expected)
    if not math.isfinite(error):
        return Parity(method, math.inf, -1.0, -math.inf, name)
    return Parity(method, error, cosine(actual, expected), psnr(actual, expected), name)


def worst(parities: Iterable[Parity]) -> Parity:
    """Of one method: the worst of each figure, and the output whose relative error is largest."""
    several = list(parities)
    largest = max(several, key=lambda one: one.relative_error)
    return replace(largest, cosine=min(one.cosine for one in several), psnr=min(one.psnr for one in several))


def check_all(results: Sequence[Parity], bounds: Callable[[str], Bounds]) -> None:
    """Raise ParityError that names every method beyond its bounds."""
    failed = [result for result in results if not result.within(bounds(result.method))]
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
    flat: dict[str, float] = {}
    for r in results:
        flat |= {
            f"{r.method}_relative_error": r.relative_error,
            f"{r.method}_cosine": r.cosine,
            f"{r.method}_psnr_db": r.psnr,
        }
    for name, gradients in (("forward", False), ("gradient", True)):
        errors = [r.relative_error for r in results if gives_gradients(r.method) == gradients]
        flat[f"worst_{name}_relative_error"] = max(errors, default=0.0)
    return flat


def gives_gradients(method: str) -> bool:
    return method == "train_step" or "_vjp" in method
