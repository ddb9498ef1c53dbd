"""`python -m device_runtime`, as people type it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from device_runtime import cli
from tests.kill_loop import REPOSITORY, make_photos
from tests.runtime_helpers import TOKEN


@pytest.fixture
def photos(tmp_path) -> Path:
    make_photos(tmp_path / "photos", 2)
    return tmp_path / "photos"


@pytest.fixture
def personalize(tiny_bundle, photos, tmp_path):
    """personalize(*more) → exit code; the adapter is tmp_path/a.safetensors."""

    def run(*more: object) -> int:
        arguments = ["personalize", "--bundle", tiny_bundle.bundle, "--photos", photos, "--class-name", "dog"]
        arguments += ["--token", TOKEN, "--output", tmp_path / "a.safetensors", "--steps", 3, "--views", 3]
        return cli.main([str(a) for a in (*arguments, "--threads", 1, *more)])

    return run


def test_photos_to_pictures(tiny_bundle, personalize, tmp_path, capsys):
    assert personalize("--preview-every", 2) == 0
    assert (tmp_path / "a.step00002.png").exists()
    captured = capsys.readouterr()
    assert captured.out.strip() == str(tmp_path / "a.safetensors")
    assert "2 photos used" in captured.err

    bundle = ["--bundle", str(tiny_bundle.bundle), "--threads", "1"]
    adapter = ["--adapter", str(tmp_path / "a.safetensors")]
    prompt = ["--prompt", f"a {TOKEN} dog", "--seed", "1", "--steps", "2"]
    assert cli.main(["generate", *bundle, *adapter, *prompt, "--count", "3", "--output", str(tmp_path / "s.png")]) == 0
    assert Image.open(tmp_path / "s.png").size == (64, 64)
    assert cli.main(["generate", *bundle, *prompt, "--count", "2", "--output", str(tmp_path / "out")]) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a-my-dog-dog-seed1-0.png", "a-my-dog-dog-seed1-1.png"]

    capsys.readouterr()
    assert cli.main(["info", *adapter]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert alone["modifier_tokens"] == [TOKEN]
    assert alone["tensors"]["modifier_embeddings"] == {"dtype": "F32", "shape": [1, 32]}
    assert cli.main(["info", *bundle]) == 0
    assert json.loads(capsys.readouterr().out)["image_size"] == 32


def test_bad_photos_are_named_and_skipped(personalize, photos, capsys):
    (photos / "empty.jpg").touch()
    (photos / "fake.png").write_text("hello")
    Image.new("RGB", (9, 9)).save(photos / "small.png")
    assert personalize("--dry-run") == 0
    messages = capsys.readouterr().err
    assert "skipped: empty.jpg is empty" in messages
    assert "skipped: fake.png is not a picture" in messages
    assert "skipped: small.png is 9 x 9 pixels, too small" in messages
    assert "2 photos used, 3 skipped" in messages
    assert "MB of memory" in messages


def test_no_photo_left_is_an_error(personalize, photos, tmp_path, capsys):
    for path in photos.iterdir():
        path.write_bytes(b"")
    assert personalize("--journal", tmp_path / "j") == 1
    assert "none of 2 files could be used" in capsys.readouterr().err
    for path in photos.iterdir():
        path.unlink()
    assert personalize() == 1
    assert "was found" in capsys.readouterr().err
    photos.rmdir()
    assert personalize() == 1
    assert "is not a folder" in capsys.readouterr().err


def test_a_dry_run_leaves_nothing(personalize, tmp_path):
    assert personalize("--dry-run", "--journal", tmp_path / "j") == 0
    assert not (tmp_path / "j").exists()
    assert not (tmp_path / "a.safetensors").exists()


def test_a_finished_journal_is_resumed_without_photos(personalize, photos, tmp_path, capsys):
    assert personalize("--journal", tmp_path / "j") == 0
    whole = (tmp_path / "a.safetensors").read_bytes()
    for path in photos.iterdir():
        path.unlink()
    assert personalize("--journal", tmp_path / "j") == 0
    assert "going on with the session" in capsys.readouterr().err
    assert (tmp_path / "a.safetensors").read_bytes() == whole


def test_errors_are_one_line_and_exit_code_1(tiny_bundle, tmp_path, capsys):
    arguments = ["generate", "--bundle", str(tiny_bundle.bundle), "--prompt", "dog " * 30, "--output", str(tmp_path)]
    assert cli.main(arguments) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: the prompt has 30 tokens")
    assert cli.main(["info", "--bundle", str(tmp_path)]) == 1
    assert "manifest.json" in capsys.readouterr().err
    assert cli.main(["info", "--adapter", str(tmp_path / "missing")]) == 1
    assert cli.main(["info"]) == 1


def test_help_teaches():
    for command in ([], ["personalize"], ["generate"], ["merge"], ["info"]):
        done = subprocess.run(
            [sys.executable, "-m", "device_runtime", *command, "--help"],
            capture_output=True,
            text=True,
            check=True,
            cwd=REPOSITORY,
        )
        assert len(done.stdout) > 300
    assert subprocess.run([sys.executable, "-m", "device_runtime"], capture_output=True, cwd=REPOSITORY).returncode == 2


def test_nothing_is_written_to_standard_output_but_results(tiny_bundle, tmp_path):
    """The runtime below logs; the core keeps that to itself."""
    command = [sys.executable, "-m", "device_runtime", "generate", "--bundle", str(tiny_bundle.bundle)]
    command += ["--prompt", "a dog", "--steps", "1", "--output", str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.strip() == str(tmp_path / "a.png")
    assert "cpuinfo" not in done.stderr


def test_without_a_library_it_says_how_to_build(tmp_path):
    code = "from device_runtime import Engine; Engine('x')"
    environment = {"LIKENESS_LIBRARY": str(tmp_path / "none.so"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, env=environment, check=False
    )
    assert done.returncode == 1
    assert "make core" in done.stderr
