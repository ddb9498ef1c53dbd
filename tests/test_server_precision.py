"""Arithmetic by what the machine has: mixed precision's fallbacks, and frozen networks held in less."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel

from server_distill.training import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("asked", "gpu", "bf16", "got", "said"),
    [
        ("fp16", True, False, "fp16", ""),
        ("fp16", False, True, "bf16", "here it is bf16 instead"),
        ("fp16", False, False, "no", "here it is float32 instead"),
        ("bf16", False, True, "bf16", ""),
        ("bf16", False, False, "bf16", "--mixed_precision=no computes in float32"),
        ("no", False, False, "no", ""),
    ],
)
def test_the_nearest_that_the_machine_has(
    asked: str,
    gpu: bool,
    bf16: bool,
    got: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(precision, "has_gpu", lambda: gpu)
    monkeypatch.setattr(precision, "cpu_multiplies_bf16", lambda: bf16)
    assert precision.mixed_precision(asked) == got
    err = capsys.readouterr().err
    assert said in err and bool(said) == bool(err)


def test_what_launch_said_counts_where_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert precision.mixed_precision(None) == "no"
    with pytest.raises(ValueError, match="'fp8' is none of"):
        precision.mixed_precision("fp8")


def small_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel.from_pretrained("models/default/student/unet", dtype=torch.float32)


@pytest.mark.parametrize("native", [False, True])
def test_a_frozen_network_is_held_in_less(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half the bytes before and after it ran; widened to float32 layer by layer, it computes as rounded weights do."""
    monkeypatch.setattr(precision, "cpu_multiplies_bf16", lambda: native)
    whole, frozen = small_unet(), small_unet()
    precision.freeze(frozen, "bf16", CPU)
    size = sum(p.numel() * p.element_size() for p in whole.parameters())

    def held() -> int:
        return sum(p.numel() * p.element_size() for p in frozen.parameters())

    assert held() < 0.51 * size
    inputs = torch.randn(1, 4, 16, 16), torch.tensor([500]), torch.randn(1, 24, 128)
    kind = frozen.dtype
    assert kind == (torch.bfloat16 if native else torch.float32)
    with torch.no_grad():
        wanted = whole(*inputs).sample
        got = frozen(inputs[0].to(kind), inputs[1], inputs[2].to(kind)).sample.float()
    assert held() < 0.51 * size and not any(p.requires_grad for p in frozen.parameters())
    # bf16 keeps 8 bits: each weight is off by 2⁻⁹ at most. Its sums, too, where they are bf16.
    assert 0 < (got - wanted).norm() / wanted.norm() < (0.1 if native else 0.02)
