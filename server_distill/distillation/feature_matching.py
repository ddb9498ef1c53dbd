"""Distances between two networks' hidden states, with no more of the teacher held than must be.

The student runs first; autograd holds its blocks' outputs anyway. Then the teacher runs, and each of its outputs is
compared as it comes and let go: what stays until backward is the difference alone, in the teacher's precision, in place
of two float32 tensors a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class SquaredError(torch.autograd.Function):
    """mean((s − t)²) · scale of a student's tensor, whose backward needs only the difference, kept in t's dtype."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, scale: Tensor) -> Tensor:  # type: ignore[override]
        difference = student.detach().float() - teacher.float()
        ctx.save_for_backward((difference * (2 * scale / difference.numel())).to(teacher.dtype))
        ctx.dtype = student.dtype
        return difference.square().mean() * scale

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (difference,) = ctx.saved_tensors
        return (gradient * difference.float()).to(ctx.dtype), None, None


def _tensor(output: Tensor | tuple) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


class FeatureMatching:
    """Feature losses of one step: `with student_runs(): …`, `with teacher_runs(): …`, then `loss()`.

    Pairs go from the student's module names to the teacher's. `relative`: each error over the teacher's own power, and
    the mean over pairs, so that no block drowns another; otherwise the plain sum over pairs (BK-SDM, Kim et al. 2023,
    eq. 3; segmind's distill-sd).
    """

    def __init__(self, student: nn.Module, pairs: Mapping[str, str], relative: bool) -> None:
        self.pairs, self.relative = dict(pairs), relative
        self._by_teacher = {teacher: own for own, teacher in self.pairs.items()}
        self._student = student
        self._held: dict[str, Tensor] = {}
        self._terms: list[Tensor] = []

    @contextmanager
    def student_runs(self) -> Iterator[None]:
        """Keeps the student's outputs. Gradient checkpointing's second forward, in backward, is not listened to."""
        self._held.clear()

        def keep(name: str) -> Any:
            def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
                self._held[name] = _tensor(output)

            return hook

        hooks = [self._student.get_submodule(name).register_forward_hook(keep(name)) for name in self.pairs]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextmanager
    def teacher_runs(self, teacher: nn.Module) -> Iterator[None]:
        """Compares the teacher's outputs as they come."""
        self._terms.clear()

        def compare(name: str) -> Any:
            def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
                self.compare(self._by_teacher[name], _tensor(output))

            return hook

        hooks = [teacher.get_submodule(name).register_forward_hook(compare(name)) for name in self._by_teacher]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def compare(self, student_name: str, wanted: Tensor) -> None:
        """One of the teacher's outputs, from a hook or from a disk."""
        with torch.enable_grad():
            one = torch.ones((), device=wanted.device)
            scale = one / wanted.float().square().mean().clamp_min(1e-6) if self.relative else one
            self._terms.append(SquaredError.apply(self._held.pop(student_name), wanted, scale))

    def start_comparing(self) -> None:
        self._terms.clear()

    def loss(self) -> Tensor:
        """Raises RuntimeError unless every pair was compared."""
        if len(self._terms) != len(self.pairs):
            raise RuntimeError(f"{len(self._terms)} of {len(self.pairs)} pairs of features were compared")
        terms = torch.stack(self._terms)
        self._terms.clear()
        return terms.mean() if self.relative else terms.sum()
