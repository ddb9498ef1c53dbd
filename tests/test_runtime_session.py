"""Sessions: checkpoints, resuming, pausing, cancelling, full disks, divergence."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from device_runtime import (
    BadPhotoError,
    BusyError,
    CancelledError,
    CorruptError,
    Engine,
    InvalidArgumentError,
    NotFiniteError,
    Session,
    WrongModelError,
)
from tests import kill_loop
from tests.runtime_helpers import copy_bundle, losses_of, new_session, photo, read_safetensors, settings


@pytest.fixture(scope="module")
def engine(tiny_bundle):
    with Engine(tiny_bundle.bundle, threads=1) as engine:
        yield engine


@pytest.fixture(scope="module")
def undisturbed(engine, tmp_path_factory) -> bytes:
    """The adapter of a session that nobody interrupts."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with new_session(engine, folder / "journal") as session:
        session.run()
        session.save_adapter(folder / "a.safetensors")
    return (folder / "a.safetensors").read_bytes()


def adapter_bytes(session: Session) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        session.save_adapter(file.name)
        return Path(file.name).read_bytes()


def test_equal_seeds_give_equal_bytes_with_and_without_a_journal(engine, undisturbed):
    with new_session(engine, None) as session:
        session.run()
        assert adapter_bytes(session) == undisturbed


def test_another_seed_gives_another_adapter(engine, undisturbed):
    with new_session(engine, None, seed=12) as session:
        session.run()
        assert adapter_bytes(session) != undisturbed


@pytest.mark.parametrize("cancel_at", range(1, 6))
def test_a_cancelled_session_resumes_to_equal_bytes(engine, undisturbed, tmp_path, cancel_at):
    session = new_session(engine, tmp_path / "j")
    with pytest.raises(CancelledError):
        session.run(lambda p: p.phase == "training" and p.step == cancel_at)
    session.close()
    with Session.resume(engine, tmp_path / "j") as resumed:
        assert resumed.plan.steps_done == cancel_at
        resumed.run()
        assert adapter_bytes(resumed) == undisturbed


@pytest.mark.parametrize("weight", [0, 100])
def test_what_muon_remembers_resumes_to_equal_bytes(engine, undisturbed, tmp_path, weight):
    changes = {"optimizer": "muon", "prior_text_weight": weight}
    with new_session(engine, None, **changes) as session:
        session.run()
        whole = adapter_bytes(session)
    assert whole != undisturbed
    with new_session(engine, tmp_path / "j", **changes) as session, pytest.raises(CancelledError):
        session.run(lambda p: p.phase == "training" and p.step == 3)
    with Session.resume(engine, tmp_path / "j") as resumed:
        resumed.run()
        assert adapter_bytes(resumed) == whole


def test_a_cancelled_session_goes_on_when_run_again(engine, undisturbed):
    with new_session(engine, None) as session:
        for step in (2, 4):
            with pytest.raises(CancelledError):
                session.run(lambda p, step=step: p.phase == "training" and p.step == step)
        session.run()
        assert adapter_bytes(session) == undisturbed
        session.run()  # nothing is left to do
        assert adapter_bytes(session) == undisturbed


def test_cancelled_while_encoding_asks_for_the_photos_again(engine, tmp_path):
    session = new_session(engine, tmp_path / "j")
    with pytest.raises(CancelledError):
        session.run(lambda p: p.phase == "encoding" and p.step == 2)
    session.close()
    assert not Session.can_resume(tmp_path / "j")
    with pytest.raises(InvalidArgumentError, match="photos were not encoded yet"):
        Session.resume(engine, tmp_path / "j")
    new_session(engine, tmp_path / "j").close()


def test_killed_at_random_instants_it_ends_in_equal_bytes(tiny_bundle, tmp_path):
    """`make test-kill` does this 200 times."""
    problems, report = kill_loop.kill_loop(tiny_bundle.bundle, tmp_path, kills=6, steps=10, seed=5)
    assert problems == []
    assert report["kills"] == 6 and report["sessions"] >= 1


def wait_for(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in two minutes"
        time.sleep(0.01)


def test_pause_unpause_and_cancel_from_another_thread(engine, tmp_path):
    session = new_session(engine, tmp_path / "j", steps=10000, checkpoint_every=10000)
    steps: list[int] = []
    outcome: list[BaseException] = []

    def run() -> None:
        try:
            session.run(lambda p: steps.append(p.step))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_for(lambda: len(steps) > 8)
        session.pause()
        wait_for((tmp_path / "j" / "state.safetensors").exists)  # written when it pauses, and not before
        paused_at = len(steps)
        time.sleep(0.5)
        assert len(steps) == paused_at
        for forbidden in (session.close, session.run, lambda: session.plan, lambda: session.save_adapter("/x")):
            with pytest.raises(BusyError, match="running on another thread"):
                forbidden()
        session.unpause()
        wait_for(lambda: len(steps) > paused_at)
        session.pause()
    finally:
        session.cancel()  # also out of a pause
        thread.join(timeout=120)
    assert isinstance(outcome[0], CancelledError)
    session.close()


def test_cancel_before_run_is_not_lost(engine):
    with new_session(engine, None) as session:
        session.cancel()
        with pytest.raises(CancelledError):
            session.run()
        session.run()


def test_an_exception_of_a_callback_stops_and_is_raised(engine):
    def fail(_: object) -> None:
        raise KeyError("mine")

    with new_session(engine, None) as session, pytest.raises(KeyError, match="mine"):
        session.run(fail)


def test_two_sessions_cannot_share_a_journal(engine, tmp_path):
    with new_session(engine, tmp_path / "j"), pytest.raises(BusyError, match="another session"):
        new_session(engine, tmp_path / "j")
    new_session(engine, tmp_path / "j").close()


def test_a_journal_with_a_session_is_not_overwritten(engine, tmp_path):
    with new_session(engine, tmp_path / "j", steps=1) as session:
        session.run()
    with pytest.raises(InvalidArgumentError, match="resume it, or remove"):
        new_session(engine, tmp_path / "j")


def test_photos_are_not_needed_after_encoding(engine, tmp_path):
    with new_session(engine, tmp_path / "j", steps=1) as session:
        session.run()
        with pytest.raises(InvalidArgumentError, match="encoded its photos already"):
            session.add_photo(photo())
    tensors, metadata = read_safetensors(tmp_path / "j" / "views.safetensors")
    assert tensors["mean"].shape == tensors["deviation"].shape == (5, 4, 8, 8)
    assert tensors["mask"].shape == (5, 8, 8)
    assert metadata["photos"] == "2"


def test_views_are_at_least_one_a_photo(engine):
    with new_session(engine, None, photos=7, views=3) as session:
        assert session.plan.views == 7


def test_plan_says_what_a_session_needs(engine):
    with new_session(engine, None) as session:
        plan = session.plan
    assert (plan.steps, plan.steps_done, plan.photos, plan.views) == (6, 0, 2, 5)
    assert (plan.instance_rows, plan.prior_rows, plan.prior_class) == (2, 2, "dog")
    assert plan.memory_bytes == plan.resident_memory_bytes > 1e6
    assert not plan.staged
    with new_session(engine, None, prior_loss_weight=0) as session:
        assert (session.plan.instance_rows, session.plan.prior_rows) == (4, 0)


@pytest.mark.parametrize(
    ("class_name", "prior"), [("dog", "dog"), ("DOG", "dog"), ("tabby cat", "cat"), ("teapot", "*")]
)
def test_nearest_prior(engine, class_name, prior):
    with new_session(engine, None, class_name=class_name) as session:
        assert session.plan.prior_class == prior


def test_a_memory_limit_changes_speed_and_nothing_else(tiny_bundle, engine, undisturbed):
    with Engine(tiny_bundle.bundle, memory_limit_bytes=1) as small, new_session(small, None) as session:
        assert session.plan.staged
        assert session.plan.memory_bytes < session.plan.resident_memory_bytes
        session.run()
        assert adapter_bytes(session) == undisturbed


def test_preview_pictures(engine, undisturbed):
    previews = []
    with new_session(engine, None, preview_every=3) as session:
        session.run(preview=lambda step, pixels: previews.append((step, pixels)) and None)
        assert adapter_bytes(session) != undisturbed  # its metadata says preview_every 3
    assert [step for step, _ in previews] == [3, 6]
    assert all(pixels.shape == (32, 32, 3) and pixels.std() > 0 for _, pixels in previews)
    assert not np.array_equal(previews[0][1], previews[1][1])


def test_divergence_stops_and_keeps_the_last_checkpoint(engine, tmp_path):
    session = new_session(engine, tmp_path / "j", steps=40, checkpoint_every=1, learning_rate=1e30, max_grad_norm=0.0)
    with pytest.raises(NotFiniteError, match="lower learning rate"):
        session.run()
    session.close()
    state = tmp_path / "j" / "state.safetensors"
    if state.exists():
        tensors, _ = read_safetensors(state)
        assert all(np.isfinite(tensor).all() for tensor in tensors.values())


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from device_runtime import DiskFullError, Engine, Session
from tests.runtime_helpers import new_session
bundle, journal, cancels = sys.argv[1:]
with Engine(bundle, threads=1, verify_hashes=False) as engine, new_session(engine, Path(journal)) as session:
    def shrink(p):
        if p.phase == "training" and p.step == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
            return cancels == "True"
        return False
    try:
        session.run(shrink)
        sys.exit("no error")
    except DiskFullError as error:
        assert "free some storage" in str(error), error
    kept = (Path(journal) / "state.safetensors").read_bytes()
    assert b'"step":"2"' in kept
    try:
        session.run()
        sys.exit("no second error")
    except DiskFullError:
        pass
    assert (Path(journal) / "state.safetensors").read_bytes() == kept
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    session.run()
    session.save_adapter(Path(journal) / "adapter")
"""


@pytest.mark.parametrize("cancels", [False, True])
def test_a_full_disk_keeps_the_checkpoint_and_the_session_goes_on(tiny_bundle, undisturbed, tmp_path, cancels):
    """A limit on file sizes stands for the full disk: writing then fails as it does there.

    A run that is cancelled and fails as it writes its checkpoint has ended: the next one is not cancelled too.
    """
    command = [sys.executable, "-c", FULL_DISK, str(tiny_bundle.bundle), str(tmp_path / "j"), str(cancels)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=kill_loop.REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "j" / "adapter").read_bytes() == undisturbed


def test_settings_are_checked(engine):
    for changes, message in (
        ({"class_name": ""}, "class_name is empty"),
        ({"class_name": "!"}, None),
        ({"token": ""}, "token is empty"),
        ({"token": "dog</w>"}, "already in use"),
        ({"adapter_kind": "other"}, "it has: full, lora"),
        ({"steps": 0}, "steps is 0"),
        ({"views": -1}, "views is -1"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"fine_timesteps": 1.5}, "fine_timesteps is 1.5"),
        ({"lr_schedule": "wild"}, "wild"),
        ({"optimizer": "sgd"}, "knows adamw and muon"),
        ({"prior_text_weight": 10}, "needs the optimizer muon"),
        ({"prior_text_weight": -1, "optimizer": "muon"}, "prior_text_weight is -1"),
        ({"class_name": "very " * 30 + "long"}, "shorten it"),
        ({"checkpoint_every": 0}, "checkpoint_every"),
    ):
        if message is None:
            Session.create(engine, settings(engine, **changes)).close()
            continue
        with pytest.raises(InvalidArgumentError, match=message):
            Session.create(engine, settings(engine, **changes))


def test_bad_photos_in_memory(engine):
    with Session.create(engine, settings(engine)) as session:
        with pytest.raises(BadPhotoError, match="31 x 400"):
            session.add_photo(np.zeros((400, 31, 3), np.uint8))
        with pytest.raises(ValueError, match="uint8"):
            session.add_photo(np.zeros((40, 40), np.uint8))
        with pytest.raises(InvalidArgumentError, match="no photo"):
            session.run()
        session.add_photo(np.zeros((32, 32, 4), np.uint8))


def test_damaged_and_foreign_journals(engine, tiny_bundle, tmp_path):
    with new_session(engine, tmp_path / "j", steps=2) as session:
        session.run()
    state, views = (tmp_path / "j" / f"{name}.safetensors" for name in ("state", "views"))
    for path in (state, views):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(CorruptError):
            Session.resume(engine, tmp_path / "j")
        path.write_bytes(whole)
    other = copy_bundle(tiny_bundle.bundle, tmp_path / "other", **{"model/weights_sha256": "0" * 64})
    with Engine(other) as foreign, pytest.raises(WrongModelError, match="0000.*open that model"):
        Session.resume(foreign, tmp_path / "j")
    Session.resume(engine, tmp_path / "j").close()


def test_what_a_killed_session_had_begun_to_write_is_removed(engine, tmp_path):
    with new_session(engine, tmp_path / "j", steps=2) as session:
        session.run()
    (tmp_path / "j" / "state.safetensors.tmp-99-0").write_bytes(b"half")
    Session.resume(engine, tmp_path / "j").close()
    assert sorted(path.name for path in (tmp_path / "j").iterdir()) == [
        "lock",
        "state.safetensors",
        "views.safetensors",
    ]


def test_progress_counts_and_estimates(engine):
    seen = []
    with new_session(engine, None) as session:
        session.run(seen.append)
    assert [p.step for p in seen if p.phase == "encoding"] == [1, 2, 3, 4, 5]
    training = [p for p in seen if p.phase == "training"]
    assert [p.step for p in training] == [1, 2, 3, 4, 5, 6]
    assert training[-1].eta == 0 < training[0].eta
    assert all(p.loss > 0 for p in training)


def test_losses_do_not_depend_on_interruptions(engine, tmp_path):
    with new_session(engine, None) as session:
        whole = losses_of(session)
    parts: list[float] = []

    def until_four(p) -> bool:
        if p.phase == "training":
            parts.append(p.loss)
        return p.phase == "training" and p.step == 4

    with new_session(engine, tmp_path / "j") as session, pytest.raises(CancelledError):
        session.run(until_four)
    with Session.resume(engine, tmp_path / "j") as session:
        assert parts + losses_of(session) == whole
