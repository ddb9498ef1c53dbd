"""The weights' hash: hashlib over the documented bytes, and what changes it."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from models.weights_hash import weights_sha256


def test_documented_bytes() -> None:
    digest = hashlib.sha256()
    digest.update(b"text/b\0int64\0" + b"1\0" + struct.pack("<q", -3))
    digest.update(b"unet/a.weight\0float32\0" + b"2,1\0" + struct.pack("<2f", 1.5, -2.0))
    tensors = {"unet": {"a.weight": torch.tensor([[1.5], [-2.0]])}, "text": {"b": torch.tensor([-3])}}
    assert weights_sha256(tensors) == digest.hexdigest()


def test_order_strides_and_files_do_not_matter(tmp_path: Path) -> None:
    a, b = torch.randn(3, 4), torch.randn(5)
    first = weights_sha256({"unet": {"a": a, "b": b}})
    save_file({"b": b, "a": a}, str(tmp_path / "x.safetensors"))
    assert weights_sha256({"unet": load_file(str(tmp_path / "x.safetensors"))}) == first
    assert weights_sha256({"unet": {"b": b, "a": a.t().contiguous().t()}}) == first


def test_every_part_matters() -> None:
    a = torch.arange(6, dtype=torch.float32)
    variants = [
        {"unet": {"a": a}},
        {"vae": {"a": a}},
        {"unet": {"b": a}},
        {"unet": {"a": a.reshape(2, 3)}},
        {"unet": {"a": a.half()}},
        {"unet": {"a": a.view(torch.int32)}},
        {"unet": {"a": a + 1e-6}},
        {"unet": {"a": a, "c": torch.zeros(0)}},
    ]
    assert len({weights_sha256(variant) for variant in variants}) == len(variants)
