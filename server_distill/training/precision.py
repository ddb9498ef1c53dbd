"""Which arithmetic a run uses: what was asked for, or the nearest that the machine has."""

from __future__ import annotations

import os
import sys

import torch

DTYPES = {"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def mixed_precision(asked: str | None) -> str:
    """`no`, `fp16` or `bf16`. None is what `accelerate launch` or its configuration said, else `no`.

    fp16 on a CPU becomes bf16, with a word on standard error: PyTorch's fp16 there has no fast kernels, and the
    gradient scaler that fp16 needs is made for GPUs.
    """
    chosen = (asked or os.environ.get("ACCELERATE_MIXED_PRECISION") or "no").lower()
    if chosen not in DTYPES:
        raise ValueError(f"mixed precision {chosen!r} is none of {', '.join(DTYPES)}")
    if chosen == "fp16" and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        print("mixed precision fp16 needs a GPU; here it is bf16 instead", file=sys.stderr)
        return "bf16"
    return chosen
