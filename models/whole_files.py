"""Files that appear whole or not at all, whenever the process is killed or the disk is full."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sync(path: Path) -> None:
    """Flush what was written to the disk itself."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write what becomes `path` when the block ends; on an error `path` stays as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_files(folder: Path, last: str = "") -> Iterator[Path]:
    """A folder to fill; what is in it moves into `folder` when the block ends, each file or folder replacing its like.

    `last`: the name of what moves last, an index that makes the others count.
    """
    temporary = folder / ".result.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for path in temporary.rglob("*"):
            if path.is_file():
                sync(path)
        for path in sorted(temporary.iterdir(), key=lambda path: (path.name == last, path.name)):
            if path.is_dir():
                shutil.rmtree(folder / path.name, ignore_errors=True)
            path.replace(folder / path.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
