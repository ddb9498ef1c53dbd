"""Adapter files (docs/bundle.md, "Adapter files") on the desktop: what a phone saved, and what it will load."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from models.whole_files import whole_file

FORMAT, FORMAT_VERSION = "likeness-adapter", "1"
EMBEDDINGS = "modifier_embeddings"


class AdapterFileError(ValueError):
    """The file is no adapter, or is damaged; the message names it and what is wrong."""


@dataclass(frozen=True)
class AdapterFile:
    """Tensors of one kind by the manifest's names, float32, and `modifier_embeddings` (k, d), a row a token."""

    base_model: str
    base_weights_sha256: str
    kind: str
    rank: int | None
    tensors: dict[str, Tensor]
    modifier_tokens: list[str] = field(default_factory=list)
    modifier_embeddings: Tensor | None = None
    class_name: str = ""
    training: dict[str, Any] = field(default_factory=dict)

    def metadata(self) -> dict[str, str]:
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "base_model": self.base_model,
            "base_weights_sha256": self.base_weights_sha256,
            "kind": self.kind,
            "rank": "" if self.rank is None else str(self.rank),
            "modifier_tokens": json.dumps(self.modifier_tokens, ensure_ascii=False),
            "class_name": self.class_name,
            "training": json.dumps(self.training, ensure_ascii=False),
        }


def from_parts(metadata: dict[str, str], tensors: dict[str, Tensor], embeddings: Tensor | None) -> AdapterFile:
    """Raises AdapterFileError where the metadata is no adapter's, or tokens and embeddings differ in number."""
    if metadata.get("format") != FORMAT:
        raise AdapterFileError(f"its metadata does not say format {FORMAT}; it is no adapter")
    if metadata.get("format_version") != FORMAT_VERSION:
        raise AdapterFileError(
            f"it has adapter format {metadata.get('format_version')!r}; this code reads {FORMAT_VERSION}"
        )
    try:
        tokens = json.loads(metadata["modifier_tokens"])
        adapter = AdapterFile(
            metadata["base_model"],
            metadata["base_weights_sha256"],
            metadata["kind"],
            int(metadata["rank"]) if metadata["rank"] else None,
            tensors,
            tokens,
            embeddings,
            metadata.get("class_name", ""),
            json.loads(metadata.get("training", "{}")),
        )
    except (KeyError, ValueError) as error:
        raise AdapterFileError(f"its metadata is damaged ({error})") from error
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise AdapterFileError("its modifier_tokens are no list of words")
    rows = 0 if embeddings is None else len(embeddings)
    if rows != len(tokens):
        raise AdapterFileError(f"it has {len(tokens)} modifier tokens but {rows} embeddings")
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise AdapterFileError(f"its tensor {name} holds a value that is not finite")
    return adapter


def read(path: Path) -> AdapterFile:
    """Raises AdapterFileError that names the file."""
    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return from_parts(metadata, tensors, tensors.pop(EMBEDDINGS, None))
    except (SafetensorError, OSError) as error:
        raise AdapterFileError(f"{path}: {error}") from error
    except AdapterFileError as error:
        raise AdapterFileError(f"{path}: {error}") from error


def write(path: Path, adapter: AdapterFile) -> None:
    """Replaces `path` as a whole."""
    tensors = {name: tensor.float().contiguous() for name, tensor in adapter.tensors.items()}
    if adapter.modifier_embeddings is not None:
        tensors[EMBEDDINGS] = adapter.modifier_embeddings.float().contiguous()
    with whole_file(path) as temporary:
        temporary.write_bytes(_in_order(save(tensors, adapter.metadata())))


def _in_order(data: bytes) -> bytes:
    """safetensors writes metadata in an order that differs from run to run: sorted, equal adapters are equal bytes."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + size :]
