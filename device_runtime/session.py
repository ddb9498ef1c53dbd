"""A personalization session: photos in, adapter out, resumable."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from device_runtime import library as c
from device_runtime.errors import BusyError

if TYPE_CHECKING:
    from device_runtime.engine import Engine

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass
class TrainSettings:
    """How to learn (include/likeness.h explains each); `Engine.train_settings()` fills in the bundle's advice."""

    class_name: str
    token: str = "<my-thing>"
    adapter_kind: str = "full"
    optimizer: str = "adamw"
    lr_schedule: str = "constant"
    preview_prompt: str = ""
    seed: int = 0
    steps: int = 250
    warmup_steps: int = 0
    views: int = 32
    checkpoint_every: int = 25
    preview_every: int = 0
    learning_rate: float = 1e-4
    modifier_learning_rate: float = 1e-4
    weight_decay: float = 1e-2
    max_grad_norm: float = 1.0
    prior_loss_weight: float = 1.0
    prior_text_weight: float = 0.0
    fine_timesteps: float = 0.0
    hflip: bool = True
    size_augmentation: bool = True
    caption_places: bool = False

    def to_c(self) -> c.TrainSettings:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return c.TrainSettings(**{k: c.encode(v) if isinstance(v, str) else v for k, v in values.items()})


@dataclass(frozen=True)
class Plan:
    """What a session will do and need; bytes are estimates."""

    steps: int
    steps_done: int
    photos: int
    views: int
    instance_rows: int
    prior_rows: int
    memory_bytes: int
    resident_memory_bytes: int
    journal_bytes: int
    staged: bool
    prior_class: str


@dataclass(frozen=True)
class Progress:
    """`phase` is "encoding" (views and places) or "training" (steps); seconds since the phase began, and to go."""

    phase: str
    step: int
    steps: int
    loss: float
    seconds: float
    eta: float


class Session:
    """Belongs to one thread at a time; `pause`, `unpause` and `cancel` may come from any."""

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._handle: ctypes.c_void_p | None = handle

    @classmethod
    def create(cls, engine: Engine, settings: TrainSettings, journal: str | os.PathLike[str] | None = None) -> Session:
        """A new session. Without a `journal` folder nothing survives the process."""
        handle = ctypes.c_void_p()
        folder = c.encode(Path(journal)) if journal is not None else None
        c.call(
            "lk_session_create",
            engine.handle,
            ctypes.byref(settings.to_c()),
            folder,
            ctypes.byref(handle),
        )
        return cls(handle)

    @classmethod
    def resume(cls, engine: Engine, journal: str | os.PathLike[str]) -> Session:
        """An interrupted session, from its last checkpoint, with the settings it was created with."""
        handle = ctypes.c_void_p()
        c.call("lk_session_resume", engine.handle, c.encode(Path(journal)), ctypes.byref(handle))
        return cls(handle)

    @staticmethod
    def can_resume(journal: str | os.PathLike[str]) -> bool:
        """True where `journal` holds a session whose photos are encoded."""
        return (Path(journal) / "views.safetensors").is_file()

    @property
    def handle(self) -> ctypes.c_void_p:
        if self._handle is None:
            raise ValueError("this Session is closed")
        return self._handle

    def add_photo(self, pixels: Pixels) -> None:
        """(height, width, 3 or 4) bytes; a fourth channel is ignored. `load_photo` makes them."""
        from device_runtime.engine import as_pixels

        pixels, pointer = as_pixels(pixels)
        height, width, channels = pixels.shape
        c.call("lk_session_add_photo", self.handle, pointer, width, height, width * channels, channels)

    @property
    def plan(self) -> Plan:
        plan = c.Plan()
        c.call("lk_session_plan", self.handle, ctypes.byref(plan))
        values = {f.name: getattr(plan, f.name) for f in fields(Plan)}
        values["staged"] = bool(plan.staged)
        values["prior_class"] = plan.prior_class.decode("utf-8", "replace")
        return Plan(**values)

    def run(
        self,
        progress: Callable[[Progress], bool | None] | None = None,
        preview: Callable[[int, Pixels], bool | None] | None = None,
    ) -> None:
        """Encode the photos and train to the end. A callback that returns True cancels.

        Raises CancelledError, NotFiniteError or DiskFullError; the session can be run again and
        goes on where it was. An exception of a callback cancels, and is raised.
        """
        errors: list[BaseException] = []

        def ask(callback: Callable[..., bool | None], *arguments: object) -> int:
            try:
                return int(bool(callback(*arguments)))
            except BaseException as error:  # an exception cannot pass through the core
                errors.append(error)
                return 1

        def on_progress(_user: object, p: Any) -> int:
            if progress is None:
                return 0
            now = p.contents
            phase = "training" if now.phase == 1 else "encoding"
            return ask(progress, Progress(phase, now.step, now.steps, now.loss, now.seconds, now.eta))

        def on_preview(_user: object, step: int, pixels: Any, size: int) -> int:
            if preview is None:
                return 0
            return ask(preview, step, np.ctypeslib.as_array(pixels, (size, size, 3)).copy())

        callbacks = c.TrainCallbacks(
            None,
            c.TrainProgressCallback(on_progress),
            c.PreviewCallback(on_preview) if preview is not None else c.PreviewCallback(),
        )
        try:
            c.call("lk_session_run", self.handle, ctypes.byref(callbacks))
        except c.LikenessError:
            if errors:
                raise errors[0] from None
            raise
        if errors:
            raise errors[0]

    def pause(self) -> None:
        """Takes effect before the next step; a checkpoint is written first."""
        c.library().lk_session_pause(self.handle)

    def unpause(self) -> None:
        c.library().lk_session_unpause(self.handle)

    def cancel(self) -> None:
        """`run` writes a checkpoint and raises CancelledError."""
        c.library().lk_session_cancel(self.handle)

    def save_adapter(self, path: str | os.PathLike[str]) -> None:
        c.call("lk_session_save_adapter", self.handle, c.encode(Path(path)))

    def close(self) -> None:
        """Raises BusyError while it runs. The journal stays."""
        if self._handle is not None:
            c.call("lk_session_close", self._handle)
            self._handle = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except BusyError:
            if error is None:  # otherwise that one is the news
                raise
