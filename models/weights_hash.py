"""A hash of a model's weights that does not depend on the files they came from."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping

import torch
from torch import Tensor, nn


def weights_sha256(components: Mapping[str, nn.Module | Mapping[str, Tensor]]) -> str:
    """SHA-256 (hex) over all tensors of `components`, sorted by `component/name`.

    Each tensor adds its name, dtype and shape as text, each ended by a zero byte, and its little-endian bytes.
    """
    tensors = {}
    for component, content in components.items():
        state = content.state_dict() if isinstance(content, nn.Module) else content
        tensors.update({f"{component}/{name}": tensor for name, tensor in state.items()})
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        dtype = str(tensor.dtype).removeprefix("torch.")
        shape = ",".join(str(size) for size in tensor.shape)
        digest.update(f"{name}\0{dtype}\0{shape}\0".encode())
        data = tensor.reshape(-1).view(torch.uint8).numpy()
        if sys.byteorder == "big":
            data = data.reshape(-1, tensor.element_size())[:, ::-1].copy()
        digest.update(data.tobytes())
    return digest.hexdigest()
