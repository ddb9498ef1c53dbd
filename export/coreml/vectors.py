"""Stored test vectors: a method's inputs and what the stock modules make of them, to be compared with on a Mac."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from export.methods import Method
from export.reference import Reference
from export.target import Bounds

SEED = 21
"""None of `export.parity.SEEDS`: what is checked on a Mac was not looked at before."""


class VectorsError(ValueError):
    """The vectors cannot be read, or are another model's; the message names the file."""


@dataclass(frozen=True)
class Vectors:
    """Of one method, by the manifest's names, and how far a program may be from them."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    bounds: Bounds


def write_vectors(
    methods: Iterable[Method], reference: Reference, bounds: Callable[[str], Bounds], folder: Path
) -> None:
    """`folder`/<method>.safetensors for each method: tensors `in:<name>` and `out:<name>`, in the method's order by the
    metadata, which has the bounds too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for method in methods:
        inputs = method.example(SEED)
        outputs = reference.run(method.name, inputs)
        named = {f"in:{name}": x for name, x in zip(method.inputs, inputs, strict=True)}
        named |= {f"out:{name}": x for name, x in zip(method.outputs, outputs, strict=True)}
        metadata = {"order": json.dumps(list(named)), "bounds": json.dumps(asdict(bounds(method.name)))}
        path = folder / f"{method.name}.safetensors"
        save_file({name: x.contiguous() for name, x in named.items()}, str(path), metadata)


def read_vectors(folder: Path, method: str) -> Vectors:
    path = folder / f"{method}.safetensors"
    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in json.loads(metadata["order"])}
        bounds = Bounds(**json.loads(metadata["bounds"]))
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise VectorsError(f"{path}: {error}; export the bundle again, it writes them") from error
    sides = {
        side: {name.removeprefix(f"{side}:"): x for name, x in tensors.items() if name.startswith(f"{side}:")}
        for side in ("in", "out")
    }
    return Vectors(sides["in"], sides["out"], bounds)
