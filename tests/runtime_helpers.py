"""What the runtime's tests share: photos, quick sessions, and reading what a session wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import safe_open

from device_runtime import Engine, Session, TrainSettings

TOKEN = "<my-dog>"


def photo(seed: int = 0, width: int = 80, height: int = 70) -> np.ndarray:
    """(height, width, 3) bytes with some structure."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def settings(engine: Engine, **changes: Any) -> TrainSettings:
    """A session of seconds."""
    quick = {"class_name": "dog", "token": TOKEN, "steps": 6, "views": 5, "seed": 11, "checkpoint_every": 2}
    return engine.train_settings(**{**quick, **changes})


def new_session(engine: Engine, journal: Path | None, photos: int = 2, **changes: Any) -> Session:
    session = Session.create(engine, settings(engine, **changes), journal)
    for i in range(photos):
        session.add_photo(photo(i))
    return session


def losses_of(session: Session) -> list[float]:
    """Run to the end; the loss of each step."""
    losses: list[float] = []

    def remember(p: Any) -> None:
        if p.phase == "training":
            losses.append(p.loss)

    session.run(remember)
    return losses


def read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    with safe_open(str(path), "np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def copy_bundle(source: Path, target: Path, **changes: Any) -> Path:
    """A copy whose manifest `changes` edits: slashed key → value, or None to remove it."""
    shutil.copytree(source, target)
    path = target / "manifest.json"
    manifest = json.loads(path.read_text())
    for key, value in changes.items():
        *parents, last = key.split("/")
        node = manifest
        for parent in parents:
            node = node[int(parent) if isinstance(node, list) else parent]
        if value is None:
            del node[last]
        else:
            node[last] = value
    path.write_text(json.dumps(manifest))
    return target
