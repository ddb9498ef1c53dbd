"""What the runtime's tests share: photos, quick sessions, and reading what a session wrote."""

from __future__ import annotations

import ctypes
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


class SessionBatches:
    """What the steps of the session in `journal` look at, read through the test library."""

    def __init__(self, testing_library: ctypes.CDLL, bundle: Path, journal: Path) -> None:
        manifest = json.loads((bundle / "manifest.json").read_text())
        names = ("x_t", "t", "target", "weight")
        self.shapes = {name: manifest["tensors"][f"{name}.train"]["shape"] for name in names}
        self.ids_shape = (manifest["batch"]["train"], manifest["text"]["max_length"])
        self.library, self.handle = testing_library, ctypes.c_void_p()
        testing_library.lkt_error_message.restype = ctypes.c_char_p
        paths = (str(bundle).encode(), str(journal).encode())
        self._check(testing_library.lkt_session_resume(*paths, ctypes.byref(self.handle)))

    def _check(self, status: int) -> None:
        assert status == 0, self.library.lkt_error_message()

    def batch(self, step: int) -> dict[str, Any]:
        """x_t, t, target and weight as `train_step` takes them, ids (rows, max_length), and captions."""
        arrays = {name: np.zeros(shape, np.float32) for name, shape in self.shapes.items()}
        ids = np.zeros(self.ids_shape, np.int64)
        captions = ctypes.create_string_buffer(10000)
        self._check(
            self.library.lkt_session_batch(
                self.handle,
                ctypes.c_int64(step),
                *(array.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) for array in arrays.values()),
                ids.ctypes.data_as(ctypes.POINTER(ctypes.c_int64)),
                captions,
                ctypes.c_size_t(len(captions)),
            )
        )
        return {**arrays, "ids": ids, "captions": json.loads(captions.value)}

    def __enter__(self) -> SessionBatches:
        return self

    def __exit__(self, *_: object) -> None:
        self.library.lkt_session_free(self.handle)
