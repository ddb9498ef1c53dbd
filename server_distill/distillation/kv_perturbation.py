"""Changes of cross-attention's key and value matrices, random or learned, of the kind that personalization makes.

A low-rank change ΔW = B·A of `attn2.to_k` and `attn2.to_v`, the same for a teacher's layer and the student's that was
copied from it, so that a student can be taught to *react* to a personalized K and V as its teacher does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.adapter import PROJECTIONS
from models.adapter_file import AdapterFileError, read


@dataclass(frozen=True)
class KVShape:
    """A projection matrix (C, d) and its Frobenius norm, from which changes are drawn."""

    channels: int
    width: int
    norm: float


def kv_shapes(unet: nn.Module, layers: Iterable[str]) -> dict[str, KVShape]:
    """`<layer>.to_k`, `<layer>.to_v` of each layer, as they are now: a change must not depend on how training went."""
    names = [f"{layer}.{projection}" for layer in layers for projection in PROJECTIONS]
    weights = {name: unet.get_submodule(name).weight.detach().float() for name in names}
    return {name: KVShape(w.shape[0], w.shape[1], torch.linalg.matrix_norm(w).item()) for name, w in weights.items()}


def random_changes(
    shapes: Mapping[str, KVShape], rank: int, size: float, generator: torch.Generator
) -> dict[str, tuple[Tensor, Tensor]]:
    """Projection → A (r, d), B (C, r), random, with ‖B·A‖ = `size`·‖W‖ (Frobenius)."""
    changes = {}
    for name, shape in shapes.items():
        a = torch.randn(rank, shape.width, generator=generator)
        b = torch.randn(shape.channels, rank, generator=generator)
        changes[name] = (a, b * (size * shape.norm / torch.linalg.matrix_norm(b @ a).clamp_min(1e-12)))
    return changes


def learned_changes(unet: nn.Module, folder: Path, rank: int) -> list[dict[str, tuple[Tensor, Tensor]]]:
    """What the full adapters in `folder` changed in `unet`'s matrices, cut off after `rank` singular values.

    Raises AdapterFileError where there is none, or one does not fit.
    """
    changes = []
    for path in sorted(folder.rglob("*.safetensors")):
        change = {}
        for name, tensor in read(path).tensors.items():
            projection = name.removesuffix(".weight")
            try:
                weight = unet.get_submodule(projection).weight.detach().float()
                u, s, vh = torch.linalg.svd(tensor.float() - weight, full_matrices=False)
            except (AttributeError, RuntimeError) as error:
                raise AdapterFileError(f"{path} does not fit this network ({error})") from error
            change[projection] = (s[:rank, None] * vh[:rank], u[:, :rank])
        changes.append(change)
    if not changes:
        raise AdapterFileError(f"{folder} holds no adapter (*.safetensors)")
    return changes


@contextmanager
def changed(
    unet: nn.Module, changes: Mapping[str, tuple[Tensor, Tensor]], names: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Within it, each named projection puts out W·x + B·A·x. `names`: a layer's name in `changes` → in `unet`."""

    def add(a: Tensor, b: Tensor) -> Any:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            low = inputs[0].float() @ a.T.to(output.device)
            return output + (low @ b.T.to(output.device)).to(output.dtype)

        return hook

    hooks = []
    for name, (a, b) in changes.items():
        layer, _, projection = name.rpartition(".")
        own = f"{names[layer] if names else layer}.{projection}"
        hooks.append(unet.get_submodule(own).register_forward_hook(add(a, b)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
