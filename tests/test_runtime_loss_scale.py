"""Sessions whose loss is scaled, on a bundle that says that it trains in float16.

Its programs are the very small model's and compute in float32, where a power of two changes no bit. So the session of
the unchanged bundle is the oracle: whatever the scale does, the adapter must be the same bytes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from device_runtime import CancelledError, CorruptError, Engine, NotFiniteError, Session
from tests import kill_loop
from tests.runtime_helpers import copy_bundle, losses_of, new_session, read_safetensors

OVERFLOWS = {"prior_loss_weight": 3e36, "max_grad_norm": 1.0}
"""Gradients near float32's largest number, 3e38: finite as they are and 128 times larger, not 1,024 times."""
FITTING_SCALE = 128


@pytest.fixture(scope="module")
def unscaled(tiny_bundle):
    with Engine(tiny_bundle.bundle, threads=1) as engine:
        yield engine


@pytest.fixture(scope="module")
def float16_bundle(tiny_bundle, tmp_path_factory) -> Path:
    return copy_bundle(tiny_bundle.bundle, tmp_path_factory.mktemp("float16") / "b", train_precision="float16")


@pytest.fixture(scope="module")
def scaled(float16_bundle):
    with Engine(float16_bundle, threads=1) as engine:
        yield engine


def scale_in(journal: Path) -> tuple[int, int]:
    """(scale, good steps) of the last checkpoint."""
    _, metadata = read_safetensors(journal / "state.safetensors")
    return int(metadata["loss_scale"]), int(metadata["loss_scale_good_steps"])


def set_scale(journal: Path, **values: str | None) -> None:
    tensors, metadata = read_safetensors(journal / "state.safetensors")
    changed = {**metadata, **values}
    save_file(tensors, journal / "state.safetensors", {k: v for k, v in changed.items() if v is not None})


def learned(session: Session) -> bytes:
    """The adapter file of a session that is run to its end."""
    session.run()
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        session.save_adapter(file.name)
        return Path(file.name).read_bytes()


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_scaling_changes_no_bit_of_what_is_learned(unscaled, scaled, tmp_path, kind):
    """Nor of AdamW's moments, which are the gradients' sums, nor of the loss that is shown."""
    losses = {}
    for name, engine in (("unscaled", unscaled), ("scaled", scaled)):
        with new_session(engine, tmp_path / name, adapter_kind=kind, steps=10) as session:
            losses[name] = losses_of(session)
    assert losses["scaled"] == losses["unscaled"]
    expected, metadata = read_safetensors(tmp_path / "unscaled" / "state.safetensors")
    actual, _ = read_safetensors(tmp_path / "scaled" / "state.safetensors")
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(actual[name], tensor, err_msg=name)
    assert scale_in(tmp_path / "scaled") == (1024, 10)
    assert "loss_scale" not in metadata


def test_a_step_that_overflows_is_taken_all_the_same(unscaled, scaled, tmp_path):
    """At 1,024, 512 and 256 the first step's gradients are infinite; the unscaled session never sees that."""
    with new_session(unscaled, None, **OVERFLOWS) as session:
        expected = learned(session)
    with new_session(scaled, tmp_path / "j", **OVERFLOWS) as session:
        assert learned(session) == expected
    assert scale_in(tmp_path / "j") == (FITTING_SCALE, 6)


def test_growth_that_overflows_falls_back_and_costs_no_step(unscaled, scaled, tmp_path):
    """After two steps the journal says that 199 were good: the third doubles the scale, the fourth overflows."""
    changes = {"checkpoint_every": 1, **OVERFLOWS}
    with new_session(unscaled, None, **changes) as session:
        expected = learned(session)
    with new_session(scaled, tmp_path / "j", **changes) as session, pytest.raises(CancelledError):
        session.run(lambda p: p.phase == "training" and p.step == 2)
    set_scale(tmp_path / "j", loss_scale_good_steps="199")
    scales = []
    with Session.resume(scaled, tmp_path / "j") as session:
        session.run(lambda p: scales.append(scale_in(tmp_path / "j")) and None)
        assert learned(session) == expected
    assert scales == [(2 * FITTING_SCALE, 0), (FITTING_SCALE, 1), (FITTING_SCALE, 2), (FITTING_SCALE, 3)]


@pytest.mark.parametrize("cancel_at", range(1, 6))
def test_a_cancelled_session_resumes_to_equal_bytes(scaled, tmp_path, cancel_at):
    with new_session(scaled, tmp_path / "whole", **OVERFLOWS) as session:
        session.run()
    with new_session(scaled, tmp_path / "parts", **OVERFLOWS) as session, pytest.raises(CancelledError):
        session.run(lambda p: p.phase == "training" and p.step == cancel_at)
    with Session.resume(scaled, tmp_path / "parts") as session:
        session.run()
    states = [(tmp_path / name / "state.safetensors").read_bytes() for name in ("whole", "parts")]
    assert states[0] == states[1]


def test_killed_at_random_instants_it_ends_in_equal_bytes(float16_bundle, tmp_path):
    """The scale falls in the first step, so that a session killed before its first checkpoint falls again."""
    recommended = {f"recommended/training/{name}": value for name, value in OVERFLOWS.items()}
    bundle = copy_bundle(float16_bundle, tmp_path / "b", **recommended)
    problems, report = kill_loop.kill_loop(bundle, tmp_path / "work", kills=4, steps=10, seed=2)
    assert problems == []
    assert report["kills"] == 4 and report["sessions"] >= 1
    assert scale_in(tmp_path / "work" / "whole.journal")[0] < 1024


def test_what_is_not_finite_unscaled_either_is_an_error_and_keeps_the_checkpoint(scaled, tmp_path):
    """Rates this high make the adapter infinite; the scale goes down to 1 and no further."""
    session = new_session(scaled, tmp_path / "j", steps=40, checkpoint_every=1, learning_rate=1e30, max_grad_norm=0.0)
    for _ in range(2):  # and again where it is run again
        with pytest.raises(NotFiniteError, match="lower learning rate"):
            session.run()
    session.close()
    tensors, _ = read_safetensors(tmp_path / "j" / "state.safetensors")
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())


@pytest.mark.parametrize(
    "values", [{"loss_scale": "1000"}, {"loss_scale": "x"}, {"loss_scale": "-2"}, {"loss_scale_good_steps": "200"}]
)
def test_a_scale_that_cannot_be_is_refused(scaled, tmp_path, values):
    with new_session(scaled, tmp_path / "j", steps=1) as session:
        session.run()
    set_scale(tmp_path / "j", **values)
    with pytest.raises(CorruptError, match=r"state\.safetensors"):
        Session.resume(scaled, tmp_path / "j")


def test_a_session_goes_on_where_the_bundle_trains_in_another_precision(unscaled, scaled, tmp_path):
    """The same weights exported for another back end: the scale starts, or is no longer needed."""
    with new_session(unscaled, None) as session:
        expected = learned(session)
    for name, first, second in (("down", unscaled, scaled), ("up", scaled, unscaled)):
        with new_session(first, tmp_path / name) as session, pytest.raises(CancelledError):
            session.run(lambda p: p.phase == "training" and p.step == 2)
        with Session.resume(second, tmp_path / name) as session:
            assert learned(session) == expected
    assert scale_in(tmp_path / "down") == (1024, 4)
