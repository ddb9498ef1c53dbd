"""Data sets in every form, and what is wrong with some."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from server_distill.data_sets.image_dataset import (
    Captioned,
    DatasetError,
    Skipped,
    caption_column,
    examples,
    open_dataset,
    picture_column,
)
from tests.captioned_folders import CAPTIONS, image_folder, parquet_folder, picture, webdataset_folder


def read(folder: Path, start: int = 0, stop: int | None = None) -> tuple[list[Captioned], Skipped]:
    data = open_dataset(str(folder))
    columns = data.features or dict.fromkeys(next(iter(data)))
    skipped = Skipped()
    pictures, captions = picture_column(columns, "image"), caption_column(columns, None)
    return list(examples(data, pictures, captions, skipped, start, stop)), skipped


@pytest.mark.parametrize("make", [image_folder, parquet_folder, webdataset_folder])
def test_every_form_gives_the_same_pictures_and_captions(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    found, skipped = read(make(tmp_path / "data"))
    assert skipped.count() == 0 and [e.number for e in found] == [0, 1, 2, 3, 4]
    for i, example in enumerate(found):
        assert np.array_equal(np.asarray(example.picture), np.asarray(picture(i)))
        assert example.captions[0] == CAPTIONS[i]


def test_reading_starts_and_stops_where_asked(tmp_path: Path) -> None:
    found, _ = read(image_folder(tmp_path), start=2, stop=4)
    assert [example.number for example in found] == [2, 3]


def test_broken_pictures_and_missing_captions_are_skipped_counted_and_named(tmp_path: Path) -> None:
    folder = image_folder(tmp_path)
    whole = (folder / "picture-1.png").read_bytes()
    (folder / "picture-1.png").write_bytes(whole[: len(whole) // 2])
    (folder / "picture-3.png").write_bytes(b"not a picture")
    lines = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    lines[0]["text"], lines[4]["text"] = "  ", None
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found, skipped = read(folder)
    assert [example.name for example in found] == ["picture-2.png"]
    assert skipped.names["no caption"] == ["picture-0.png", "picture-4.png"]
    assert [name.split()[0] for name in skipped.names["broken picture"]] == ["picture-1.png", "picture-3.png"]
    assert skipped.summary().startswith("4 skipped: ") and "picture-1.png" in skipped.summary()


def test_pictures_stand_upright(tmp_path: Path) -> None:
    folder = image_folder(tmp_path, 1)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    picture(0).save(folder / "picture-0.png", exif=exif)
    found, _ = read(folder)
    assert found[0].picture.size == (70, 90)


def test_a_folder_without_pictures_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DatasetError, match="holds no pictures"):
        open_dataset(str(tmp_path))


def test_a_hub_name_that_is_not_reached_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(DatasetError, match=r"nobody/nothing is no folder here, and as a name on the hub"):
        open_dataset("nobody/nothing")


def test_unknown_columns_are_answered_with_those_there_are(tmp_path: Path) -> None:
    columns = open_dataset(str(parquet_folder(tmp_path))).features
    assert picture_column(columns, "image") == "image"
    with pytest.raises(DatasetError, match="no column 'title'.*image, caption"):
        caption_column(columns, "title")
    with pytest.raises(DatasetError, match="there are caption"):
        picture_column({"caption": None}, "image")


def test_a_truncated_parquet_file_is_named(tmp_path: Path) -> None:
    path = parquet_folder(tmp_path) / "train-0.parquet"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DatasetError, match="can't be opened"):
        open_dataset(str(tmp_path))
