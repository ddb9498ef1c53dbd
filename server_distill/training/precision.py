"""Which arithmetic a run uses: what was asked for, or the nearest that the machine has."""

from __future__ import annotations

import os
import sys

import torch
from diffusers import ModelMixin

DTYPES = {"no": torch.float32, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def has_gpu() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def cpu_multiplies_bf16() -> bool:
    """Whether this processor has bf16 arithmetic. Elsewhere PyTorch emulates it, ten times slower than float32."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def mixed_precision(asked: str | None) -> str:
    """`no`, `fp16` or `bf16`. None is what `accelerate launch` or its configuration said, else `no`.

    fp16 without a GPU becomes bf16, with a word on standard error: PyTorch's fp16 on a CPU has no fast kernels, and the
    gradient scaler that fp16 needs is made for GPUs. A processor without bf16 arithmetic is left at float32.
    """
    chosen = (asked or os.environ.get("ACCELERATE_MIXED_PRECISION") or "no").lower()
    if chosen not in ("no", "fp16", "bf16"):
        raise ValueError(f"mixed precision {chosen!r} is none of no, fp16, bf16")
    if chosen == "no" or has_gpu():
        return chosen
    if chosen == "bf16":
        if not cpu_multiplies_bf16():
            _say("this processor emulates bf16, about ten times slower: --mixed_precision=no computes in float32")
        return chosen
    if cpu_multiplies_bf16():
        _say("mixed precision fp16 needs a GPU; here it is bf16 instead")
        return "bf16"
    _say("mixed precision fp16 needs a GPU, and this processor has no bf16 arithmetic; here it is float32 instead")
    return "no"


def freeze(network: ModelMixin, precision: str, device: torch.device) -> None:
    """`network`, to run on `device`, for evaluation alone, its weights held in `precision`, a name in `DTYPES`.

    Where that isn't arithmetic of the device, each layer's weights are widened to float32 while it runs: the memory of
    the one, the speed of the other.
    """
    network.requires_grad_(False).eval()
    dtype = DTYPES[precision]
    if dtype == torch.float32:
        return
    if device.type != "cpu" or (precision == "bf16" and cpu_multiplies_bf16()):
        network.to(dtype)
    else:
        network.enable_layerwise_casting(storage_dtype=dtype, compute_dtype=torch.float32)


def _say(word: str) -> None:
    print(word, file=sys.stderr)
