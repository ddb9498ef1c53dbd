"""Adapter tensors: names, initial values that change nothing, and the reference projection."""

from __future__ import annotations

import pytest
import torch

from models.adapter import AdapterSpec, adapter_spec, base_weights, initial_tensors, project_kv
from models.kv_boundary import CrossAttentionLayer
from tests.test_models_kv_boundary import small_unet


@pytest.mark.parametrize(("kind", "rank"), [("full", None), ("lora", 3)])
def test_initial_values_change_nothing(kind: str, rank: int | None) -> None:
    unet = small_unet()
    spec, base = adapter_spec(unet, kind, rank), base_weights(unet)
    tensors = initial_tensors(spec, base, seed=5)
    assert {name: tuple(x.shape) for name, x in tensors.items()} == spec.tensor_shapes()
    hidden = torch.randn(2, 5, 24)
    projected = project_kv(spec, base, hidden, list(tensors.values()))
    for tensor, weight in zip(projected, base.values(), strict=True):
        torch.testing.assert_close(tensor, hidden @ weight.t())


def test_lora_is_the_base_plus_b_times_a() -> None:
    unet = small_unet()
    spec, base = adapter_spec(unet, "lora", 2), base_weights(unet)
    tensors = {name: torch.randn(shape) for name, shape in spec.tensor_shapes().items()}
    hidden = torch.randn(1, 4, 24)
    projected = project_kv(spec, base, hidden, list(tensors.values()))
    for tensor, (name, weight) in zip(projected, base.items(), strict=True):
        prefix = name.removesuffix(".weight")
        change = tensors[f"{prefix}.lora_B.weight"] @ tensors[f"{prefix}.lora_A.weight"]
        torch.testing.assert_close(tensor, hidden @ (weight + change).t(), rtol=1e-4, atol=1e-4)


def test_initial_lora_depends_on_the_seed_only() -> None:
    unet = small_unet()
    spec, base = adapter_spec(unet, "lora", 2), base_weights(unet)
    first, again, other = (initial_tensors(spec, base, seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize(("kind", "rank"), [("full", 4), ("lora", None), ("lora", 0), ("ia3", None)])
def test_impossible_kinds(kind: str, rank: int | None) -> None:
    with pytest.raises(ValueError, match="adapter kind"):
        AdapterSpec(kind, rank, (CrossAttentionLayer("attn2", 8),), 8)
