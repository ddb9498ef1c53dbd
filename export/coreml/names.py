"""The manifest's names of tensors as Core ML can have them."""

from __future__ import annotations

import re
from collections.abc import Sequence


def feature_name(tensor: str) -> str:
    """Letters, digits and underscores; the core does the same (device_runtime/src/coreml_features.cpp)."""
    return re.sub(r"[^A-Za-z0-9_]", "_", tensor)


def feature_names(tensors: Sequence[str]) -> list[str]:
    """Raises ValueError where two tensors would get one name."""
    names = [feature_name(tensor) for tensor in tensors]
    if len(set(names)) != len(names):
        raise ValueError(f"two of these tensors get the same name in Core ML: {', '.join(tensors)}")
    return names
