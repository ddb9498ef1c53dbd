"""A network, a tokenizer or a whole pipeline from a diffusers folder on the disk, or a message that names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from server_distill.training.checkpoints import CheckpointError

INDEXES = ("model_index.json", "config.json", "tokenizer_config.json")
"""What a pipeline's, a network's and a tokenizer's folder say of themselves."""


def kind_of(folder: Path) -> str:
    """The name of the class that a folder was saved from. Raises OSError, ValueError or LookupError without one."""
    index = next((folder / name for name in INDEXES if (folder / name).exists()), folder / INDEXES[0])
    said = json.loads(index.read_text(encoding="utf-8"))
    if "architectures" in said:  # transformers' networks
        return str(said["architectures"][0])
    return str(said["tokenizer_class" if index.name == INDEXES[2] else "_class_name"]).removesuffix("Fast")


def load_part(kind: Any, folder: Path, **options: Any) -> Any:
    """`kind.from_pretrained(folder, **options)`, from the disk alone.

    Raises CheckpointError where the folder is missing, damaged or of another kind; the libraries would begin a network
    of another kind at random, and a tokenizer without words.
    """
    if not folder.is_dir():
        raise CheckpointError(f"there is no folder {folder} to read {kind.__name__} from: train it or copy it there")
    try:
        found = kind_of(folder)
        if found == kind.__name__:
            return kind.from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder} holds no whole {kind.__name__} ({error}): copy it again or train it again"
        ) from error
    raise CheckpointError(f"{folder} holds {found} where {kind.__name__} is wanted: name another folder")
