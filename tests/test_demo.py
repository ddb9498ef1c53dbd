"""`make demo` on the default model, but for the export, which the bundle's fixture did, and with fewer steps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from device_runtime import Engine
from server_distill.default_model.objects import read_catalogue
from server_distill.default_model.personalization_scores import subject_photos
from tests.bundles import REPOSITORY
from tests.runtime_helpers import copy_bundle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bundle(default_bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model's: 150 steps take the path that 1,200 take."""
    changes = {"recommended/training/steps": 150}
    return copy_bundle(default_bundle.bundle, tmp_path_factory.mktemp("demo") / "bundle", **changes)


def demo(bundle: Path, output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server_distill.demo", "--bundle", str(bundle), "--output", str(output), *more]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_the_default_subject(bundle: Path, tmp_path: Path) -> None:
    """How well it is learned is the weights' affair and `make evaluate-personalization`'s: this is about the path."""
    done = demo(bundle, tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert -1 < report["lite2_before"] < report["lite2_ceiling"] < 1
    assert report["lite2_after"] != report["lite2_before"]
    losses = report["loss"]
    assert len(losses) == report["personalization_steps"] == 150 and sum(losses[-50:]) < sum(losses[:50])
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 6 * 128 and sheet.height > 3 * 128
    with Engine(bundle) as engine, engine.load_adapter(tmp_path / "subject.safetensors"):
        pass


def test_own_photos_and_one_that_is_damaged(bundle: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    dog = next(item for item in read_catalogue("held_out") if item.class_name == "dog")
    for i, pixels in enumerate(subject_photos(dog, 3)):
        Image.fromarray(pixels).resize((300, 300)).save(photos / f"{i}.jpg")
    (photos / "damaged.jpg").write_bytes((photos / "0.jpg").read_bytes()[:900])
    done = demo(bundle, tmp_path / "out", "--photos", str(photos), "--class-name", "dog")
    assert done.returncode == 0, done.stderr
    assert "skipped: " in done.stderr and "damaged.jpg" in done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["adapter_bytes"] > 0 and "lite2_gain" not in report  # nobody knows the truth about these photos


def test_a_folder_without_photos(bundle: Path, tmp_path: Path) -> None:
    done = demo(bundle, tmp_path / "out", "--photos", str(tmp_path), "--class-name", "dog")
    assert done.returncode == 1 and "holds no photo that can be used" in done.stderr
