"""A bundle whose UNet is in stages learns and paints what the same model's whole bundle does, in any memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from device_runtime import Engine
from tests.bundles import ExportedModel
from tests.runtime_helpers import TOKEN, losses_of, new_session, read_safetensors

pytestmark = pytest.mark.slow


def learn(bundle: Path, adapter: Path, memory_limit_bytes: int = 0) -> tuple[list[float], np.ndarray, int]:
    """Losses of a short session, a picture painted afterwards, and the memory that was planned for."""
    with Engine(bundle, threads=1, memory_limit_bytes=memory_limit_bytes) as engine:
        with new_session(engine, None, learning_rate=1e-2, modifier_learning_rate=1e-2) as session:
            planned = session.plan.memory_bytes
            losses = losses_of(session)
            session.save_adapter(adapter)
        with engine.load_adapter(adapter) as learned:
            picture = engine.generate(f"a photo of a {TOKEN} dog", learned, seed=3, steps=4)[0]
    return losses, picture, planned


def test_stages_learn_and_paint_as_the_whole_does(
    tiny_bundle: ExportedModel, staged_bundle: ExportedModel, tmp_path: Path
) -> None:
    manifest = json.loads((staged_bundle.bundle / "manifest.json").read_text())
    assert len(manifest["methods"]["train_step"]["stages"]) > 20
    expected_losses, expected_picture, _ = learn(tiny_bundle.bundle, tmp_path / "whole.safetensors")
    losses, picture, _ = learn(staged_bundle.bundle, tmp_path / "staged.safetensors")
    # Sums in another order: 1e-6 a step, which AdamW's division by small second moments makes larger.
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-4)
    assert np.abs(picture.astype(int) - expected_picture).max() <= 3
    whole, _ = read_safetensors(tmp_path / "whole.safetensors")
    staged, _ = read_safetensors(tmp_path / "staged.safetensors")
    for name, tensor in whole.items():
        assert np.linalg.norm(staged[name] - tensor) <= 1e-2 * np.linalg.norm(tensor), name


def test_memory_for_a_stage_at_a_time_gives_the_same_bytes(staged_bundle: ExportedModel, tmp_path: Path) -> None:
    roomy = learn(staged_bundle.bundle, tmp_path / "roomy.safetensors")
    tight = learn(staged_bundle.bundle, tmp_path / "tight.safetensors", memory_limit_bytes=1)
    assert tight[0] == roomy[0]
    np.testing.assert_array_equal(tight[1], roomy[1])
    assert (tmp_path / "tight.safetensors").read_bytes() == (tmp_path / "roomy.safetensors").read_bytes()
    assert tight[2] < roomy[2]
