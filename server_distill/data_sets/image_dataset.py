"""Pictures with captions, from wherever `datasets` reads them, one after another.

    a folder       pictures, with captions in metadata.jsonl or metadata.csv (file_name, text); parquet files; or
                   webdataset .tar files; below `train/` or right there
    a hub name     where the hub can be reached; streamed, never fetched whole

A broken picture or a missing caption costs that example, not the run: it is skipped, counted and named.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
from PIL import Image, ImageOps

CAPTION_COLUMNS = ("text", "caption", "captions", "txt", "prompt")
WEBDATASET_PICTURES = ("jpg", "jpeg", "png", "webp")


class DatasetError(RuntimeError):
    """No data can be read there; the message says what is wrong and what to do."""


@dataclass
class Skipped:
    """What was left out: reason → names of examples, in the order met."""

    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, name: str) -> None:
        self.names.setdefault(reason, []).append(name)

    def count(self) -> int:
        return sum(len(names) for names in self.names.values())

    def summary(self, shown: int = 3) -> str:
        """`2 skipped: broken picture (2: a.png, b.png)`."""
        parts = []
        for reason, names in self.names.items():
            more = ", …" if len(names) > shown else ""
            parts.append(f"{reason} ({len(names)}: {', '.join(names[:shown])}{more})")
        return f"{self.count()} skipped: {'; '.join(parts)}" if parts else "none skipped"


@dataclass(frozen=True)
class Captioned:
    """One example: its number in the data set, a name, the picture (RGB, upright) and its captions, at least one."""

    number: int
    name: str
    picture: Image.Image
    captions: list[str]


def open_dataset(name: str, config: str | None = None, split: str = "train", cache: str | None = None) -> Any:
    """A `datasets.IterableDataset` of a folder or a hub name. Raises DatasetError."""
    folder = Path(name)
    try:
        if folder.is_dir():
            return _open_folder(folder, split)
        if folder.suffix in (".parquet", ".tar") and folder.exists():
            kind = "parquet" if folder.suffix == ".parquet" else "webdataset"
            return datasets.load_dataset(kind, data_files={split: [str(folder)]}, split=split, streaming=True)
        return datasets.load_dataset(name, config, split=split, streaming=True, cache_dir=cache)
    except DatasetError:
        raise
    except Exception as error:  # datasets raises whatever its many readers do
        kind = "is no folder here, and as a name on the hub it" if not folder.exists() else ""
        raise DatasetError(f"data set {name} {kind} can't be opened ({type(error).__name__}: {error})") from error


def _open_folder(folder: Path, split: str) -> Any:
    root = folder / split if (folder / split).is_dir() else folder
    for kind, pattern in (("parquet", "*.parquet"), ("webdataset", "*.tar")):
        files = sorted(str(path) for path in [*root.glob(pattern), *root.glob(f"data/{split}-{pattern}")])
        if files:
            return datasets.load_dataset(kind, data_files={split: files}, split=split, streaming=True)
    if not any(path.suffix.lower() in Image.registered_extensions() for path in root.rglob("*")):
        raise DatasetError(f"{root} holds no pictures, no .parquet and no .tar")
    return datasets.load_dataset("imagefolder", data_dir=str(root), split="train", streaming=True)


def picture_column(features: dict[str, Any] | None, asked: str) -> str:
    """The column that holds pictures: the one asked for, or the only likely one. Raises DatasetError with the list."""
    names = list(features or {})
    if asked in names:
        return asked
    likely = [name for name in names if isinstance((features or {})[name], datasets.Image)]
    likely = likely or [name for name in names if name in WEBDATASET_PICTURES]
    if len(likely) == 1:
        return likely[0]
    raise DatasetError(f"there is no column {asked!r} with pictures; there are {', '.join(names) or 'none'}")


def caption_column(features: dict[str, Any] | None, asked: str | None) -> str:
    """Likewise for captions, a text or a list of them."""
    names = list(features or {})
    if asked is not None and asked in names:
        return asked
    found = next((name for name in CAPTION_COLUMNS if name in names), None)
    if found is None or asked is not None:
        raise DatasetError(f"there is no column {asked or 'text'!r} with captions; there are {', '.join(names)}")
    return found


def examples(
    dataset: Any, picture_in: str, captions_in: str, skipped: Skipped, start: int = 0, stop: int | None = None
) -> Iterator[Captioned]:
    """The usable examples among numbers `start`…`stop` − 1; others are noted in `skipped`."""
    if isinstance(dataset.features.get(picture_in) if dataset.features else None, datasets.Image):
        dataset = dataset.cast_column(picture_in, datasets.Image(decode=False))
    for number, row in enumerate(dataset.skip(start), start):
        if stop is not None and number >= stop:
            return
        name = _name(row, picture_in, number)
        captions = _captions(row.get(captions_in))
        if not captions:
            skipped.add("no caption", name)
            continue
        try:
            picture = _decode(row.get(picture_in))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            skipped.add("broken picture", f"{name} ({error})" if str(error) else name)
            continue
        yield Captioned(number, name, picture, captions)


def _name(row: dict[str, Any], picture_in: str, number: int) -> str:
    value = row.get(picture_in)
    path = value.get("path") if isinstance(value, dict) else None
    return Path(path).name if path else str(row.get("__key__", f"example {number}"))


def _captions(value: Any) -> list[str]:
    """Texts that are not blank, of a text, a list of texts, or webdataset's JSON or bytes."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, dict):
        value = next((value[name] for name in CAPTION_COLUMNS if name in value), None)
    values = [value] if isinstance(value, str) else value or []
    return [text.strip() for text in values if isinstance(text, str) and text.strip()]


def _decode(value: Any) -> Image.Image:
    """RGB, turned as the camera's orientation tag says. Raises OSError and others for what is no picture."""
    if isinstance(value, dict):
        value = value.get("bytes") or (Path(value["path"]).read_bytes() if value.get("path") else None)
    if isinstance(value, bytes):
        value = Image.open(io.BytesIO(value))
    if not isinstance(value, Image.Image):
        raise ValueError("no picture there")
    value.load()
    return ImageOps.exif_transpose(value).convert("RGB")
