"""The evaluation's pictures are drawn once, whatever happens meanwhile; and what it says of what is wrong."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server_distill import evaluate
from server_distill.evaluation import pictures as evaluation_pictures
from server_distill.evaluation.pictures import Picture, Sampling, draw, load_png, plan
from server_distill.evaluation.pipeline import load_pipeline
from tests.bundles import make_tiny_model
from tests.evaluation_folders import PROMPTS, make_clip, options, photos, report_of, times


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    make_tiny_model(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text(PROMPTS)
    return path


def test_a_picture_depends_on_neither_batch_nor_other_prompts(model: Path) -> None:
    pipeline, sampling = load_pipeline(model), Sampling(2, 2.0, 32)
    pictures = plan(["a dog on grass", "a {} in the snow"], "cat", [0, 1])
    together = draw(pipeline, pictures, sampling)
    alone = np.concatenate([draw(pipeline, [picture], sampling) for picture in reversed(pictures)])[::-1]
    assert np.abs(together.astype(int) - alone).max() <= 1  # float32 in another order may round otherwise
    assert np.abs(together[0].astype(int) - together[1]).mean() > 5
    # The same template starts from the same noise, whatever its subject; names differ.
    other = Picture("a {} in the snow", "a <new1> cat in the snow", 0)
    assert other.seed == pictures[2].seed != pictures[3].seed
    assert len({picture.name for picture in [*pictures, other]}) == 5


def test_a_killed_run_goes_on_without_drawing_again(model: Path, prompts: Path, tmp_path: Path) -> None:
    output, whole = tmp_path / "out", tmp_path / "whole"
    child = os.fork()
    if child == 0:
        saved = 0

        def kill_at_the_third(path: Path, content: bytes) -> None:
            nonlocal saved
            saved += path.suffix == ".png"
            if saved == 3:
                path.with_name(f".{path.name}.tmp").write_bytes(content[: len(content) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            write_whole(path, content)

        write_whole = evaluation_pictures.write_whole
        evaluation_pictures.write_whole = kill_at_the_third
        evaluate.main(options(model, prompts, output, batch=1))
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    before = times(output)
    assert len(before) == 2
    assert evaluate.main(options(model, prompts, output, batch=4)) == 0
    after = times(output)
    assert len(after) == 6 and before.items() <= after.items()
    assert evaluate.main(options(model, prompts, whole, batch=1)) == 0
    for name in after:
        pair = [load_png(folder / "pictures" / name).astype(int) for folder in (output, whole)]
        assert np.abs(pair[0] - pair[1]).max() <= 1
    assert evaluate.main(options(model, prompts, output, pictures_per_prompt=3)) == 0
    assert after.items() < times(output).items() and len(times(output)) == 9


def test_other_settings_in_the_same_folder_are_an_error(
    model: Path, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert evaluate.main(options(model, prompts, output)) == 0
    first = times(output)
    (output / "pictures" / "mine.png").write_bytes(b"")
    assert evaluate.main(options(model, prompts, output, steps=3, guidance_scale=1.0)) == 1
    message = capsys.readouterr().err
    assert "steps was 2, is now 3" in message and "guidance_scale was 2.0, is now 1.0" in message
    assert "dtype" not in message and "--fresh" in message
    assert {name: time for name, time in times(output).items() if name != "mine.png"} == first
    assert evaluate.main(options(model, prompts, output, steps=3, fresh=True)) == 0
    again = times(output)
    assert again.pop("mine.png") and again.keys() == first.keys() and not again.items() & first.items()
    (output / "settings.json").write_text("{")
    assert evaluate.main(options(model, prompts, output, steps=3)) == 1
    assert "settings.json" in capsys.readouterr().err
    (output / "settings.json").unlink()
    assert evaluate.main(options(model, prompts, output, steps=3)) == 1
    assert "no settings.json" in capsys.readouterr().err


def test_a_dry_run_says_how_much_there_is_to_do(
    model: Path, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main(options(model, prompts, tmp_path / "out", dry_run=True)) == 0
    assert "6 pictures of 3 prompts, 6 to draw" in (text := capsys.readouterr().out)
    assert "drawing takes about" in text
    assert not (tmp_path / "out").exists()


def test_a_damaged_reference_is_named_and_counted(
    model: Path, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    references = photos(tmp_path / "references", 3, 1)
    (references / "broken.jpg").write_bytes((references / "1.jpg").read_bytes()[:300])
    assert evaluate.main(options(model, prompts, tmp_path / "out", references=references)) == 0
    assert "broken.jpg is damaged" in capsys.readouterr().err
    report = report_of(tmp_path / "out")
    assert (report["references"], report["references_skipped"]) == (3, 1)
    assert report["references_skipped_files"] == "broken.jpg"
    for path in references.iterdir():
        path.write_bytes(b"no photo")
    assert evaluate.main(options(model, prompts, tmp_path / "new", references=references)) == 1
    assert "none of the 4 photos can be used" in capsys.readouterr().err
    assert not times(tmp_path / "new")


def test_a_damaged_picture_of_an_earlier_run_is_named(
    model: Path, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert evaluate.main(options(model, prompts, output)) == 0
    path = sorted((output / "pictures").glob("*.png"))[0]
    path.write_bytes(path.read_bytes()[:50])
    assert evaluate.main(options(model, prompts, output)) == 1
    assert f"{path} is damaged" in capsys.readouterr().err


def test_errors_say_what_is_wrong(
    model: Path, clip: Path, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, binary = tmp_path / "empty.txt", tmp_path / "binary.txt"
    empty.write_text("\n  \n")
    binary.write_bytes(b"\xff\xfe\x00")
    other = tmp_path / "other"
    shutil.copytree(model, other)
    (other / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    damaged = tmp_path / "damaged"
    shutil.copytree(clip, damaged)
    (damaged / "model.safetensors").write_bytes((clip / "model.safetensors").read_bytes()[:400])
    (tmp_path / "nothing").mkdir()
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"broken")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"prompts": empty}, "empty.txt holds no prompt"),
        ({"prompts": binary}, "binary.txt"),
        ({"prompts": tmp_path / "none.txt"}, "none.txt"),
        ({"model": tmp_path / "nothing"}, "is no pipeline folder: it has no vae/"),
        ({"model": broken}, "broken cannot be loaded"),
        ({"model": other}, "holds a StableDiffusionXLPipeline"),
        ({"subject": None}, "say what it is (--subject or --class-name)"),
        ({"subject": "<new1>"}, "Say its plain class"),
        ({"subject": "<new1> dog"}, "a prompt has <new1>, which was not learned"),
        ({"references": tmp_path / "nothing"}, "holds no photo"),
        ({"real": tmp_path / "nowhere"}, "--real: there is no folder"),
        ({"clip": tmp_path / "nothing"}, "holds no CLIP model that can be loaded"),
        ({"clip": damaged}, "holds no CLIP model that can be loaded"),
        ({"dino": clip}, "holds a clip"),
        ({"adapter": tmp_path / "nowhere.safetensors"}, "nowhere.safetensors"),
        ({"resolution": 33}, "multiples of 8 pixels"),
    ]
    for changes, words in cases:
        given = {"model": model, "prompts": prompts, **changes}
        assert evaluate.main(options(output=tmp_path / "out", **given)) == 1, changes
        assert words in capsys.readouterr().err, changes
    assert not (tmp_path / "out").exists()
