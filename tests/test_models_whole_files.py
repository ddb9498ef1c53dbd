"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.whole_files import whole_file, whole_files


def test_a_file_is_replaced_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as temporary:
        temporary.write_text("one")
        assert not path.exists()
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("tw")
        raise RuntimeError("killed")
    assert path.read_text() == "one" and [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_folder_keeps_what_it_has_until_all_is_there(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "old.bin").write_text("old")
    (tmp_path / "checkpoint-1").mkdir()
    with pytest.raises(RuntimeError), whole_files(tmp_path) as folder:
        (folder / "unet").mkdir()
        raise RuntimeError("full disk")
    assert (tmp_path / "unet" / "old.bin").exists()
    with whole_files(tmp_path, last="index.json") as folder:
        (folder / "unet").mkdir()
        (folder / "unet" / "new.bin").write_text("new")
        (folder / "index.json").write_text("{}")
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == [
        "checkpoint-1",
        "index.json",
        "unet",
        "unet/new.bin",
    ]
