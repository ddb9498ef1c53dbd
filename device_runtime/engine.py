"""An open bundle, its adapters, and pictures from prompts."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from device_runtime import library as c
from device_runtime.session import TrainSettings

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def as_pixels(pixels: Pixels) -> tuple[Pixels, Any]:
    """Contiguous (height, width, 3 or 4) bytes, and the pointer to them."""
    pixels = np.ascontiguousarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise ValueError(f"pixels are uint8 (height, width, 3 or 4), not {pixels.dtype} {pixels.shape}")
    return pixels, pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))


@dataclass
class SampleSettings:
    """How to paint; `Engine.sample_settings()` fills in what the bundle recommends."""

    prompt: str = ""
    negative_prompt: str = ""
    sampler: str = "dpmsolver++"
    seed: int = 0
    steps: int = 25
    count: int = 1
    guidance_scale: float = 5.0

    def to_c(self) -> c.SampleSettings:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return c.SampleSettings(**{k: c.encode(v) if isinstance(v, str) else v for k, v in values.items()})


class Handle:
    """Owns one object of the core; a context manager that closes it."""

    _close_function: str

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._handle: ctypes.c_void_p | None = handle

    @property
    def handle(self) -> ctypes.c_void_p:
        if self._handle is None:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._handle

    def close(self) -> None:
        if self._handle is not None:
            getattr(c.library(), self._close_function)(self._handle)
            self._handle = None

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Adapter(Handle):
    """What a session learned, checked against the engine's model. Immutable."""

    _close_function = "lk_adapter_close"

    @property
    def info(self) -> dict[str, Any]:
        """Kind, modifier tokens, class, training settings."""
        return dict(json.loads(c.take_text("lk_adapter_info", self.handle)))


class Engine(Handle):
    """A bundle that is open. Immutable: any number of threads may use one."""

    _close_function = "lk_engine_close"

    def __init__(
        self,
        bundle: str | os.PathLike[str],
        *,
        verify_hashes: bool = True,
        threads: int = 0,
        memory_limit_bytes: int = 0,
        cache_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        """Open the folder `bundle`. `threads` 0: one a physical core. `memory_limit_bytes` 0: none;
        otherwise programs beyond it are loaded when they are needed, which is slower. `cache_folder`
        is for what Core ML compiles; None: in the system's folder for caches.
        """
        cache = None if cache_folder is None else c.encode(Path(cache_folder))
        options = c.EngineOptions(0 if verify_hashes else 1, threads, memory_limit_bytes, cache)
        handle = ctypes.c_void_p()
        c.call("lk_engine_open", c.encode(Path(bundle)), ctypes.byref(options), ctypes.byref(handle))
        super().__init__(handle)

    @property
    def info(self) -> dict[str, Any]:
        """Model, sizes, adapter kinds, classes with a prior, recommended settings."""
        return dict(json.loads(c.take_text("lk_engine_info", self.handle)))

    @property
    def image_size(self) -> int:
        return int(c.library().lk_engine_image_size(self.handle))

    def trim(self) -> None:
        """Unload programs that are kept for the next call."""
        c.library().lk_engine_trim(self.handle)

    def load_adapter(self, path: str | os.PathLike[str]) -> Adapter:
        handle = ctypes.c_void_p()
        c.call("lk_adapter_load", self.handle, c.encode(Path(path)), ctypes.byref(handle))
        return Adapter(handle)

    def merge_adapters(self, adapters: Sequence[Adapter], path: str | os.PathLike[str]) -> None:
        """One adapter file of several adapters, with all their tokens; `path` is replaced as a whole.

        Raises WrongModelError for one of another model, and InvalidArgumentError for fewer than two, for a token
        that two have and for more tokens than the model takes.
        """
        handles = (ctypes.c_void_p * len(adapters))(*(adapter.handle.value for adapter in adapters))
        c.call("lk_adapter_merge", self.handle, handles, len(adapters), c.encode(Path(path)))

    def train_settings(self, **changes: Any) -> TrainSettings:
        """What the bundle recommends, with `changes`."""
        defaults = c.TrainSettings()
        c.call("lk_train_settings_default", self.handle, ctypes.byref(defaults))
        return TrainSettings(**{**_values(defaults), **changes})

    def sample_settings(self, **changes: Any) -> SampleSettings:
        """What the bundle recommends, with `changes`."""
        defaults = c.SampleSettings()
        c.call("lk_sample_settings_default", self.handle, ctypes.byref(defaults))
        return SampleSettings(**{**_values(defaults), **changes})

    def generate(
        self,
        prompt: str,
        adapter: Adapter | None = None,
        progress: Callable[[int, int], bool | None] | None = None,
        **changes: Any,
    ) -> Pixels:
        """Pictures (count, size, size, 3), uint8. `progress(done, total)` returning True cancels."""
        settings = self.sample_settings(prompt=prompt, **changes).to_c()
        size = c.library().lk_generate_bytes(self.handle, ctypes.byref(settings))
        pixels = np.empty(size, dtype=np.uint8)
        errors: list[BaseException] = []

        def on_progress(_user: object, done: int, total: int) -> int:
            try:
                return int(bool(progress and progress(done, total)))
            except BaseException as error:  # an exception cannot pass through the core
                errors.append(error)
                return 1

        callbacks = c.SampleCallbacks(None, c.SampleProgressCallback(on_progress))
        try:
            c.call(
                "lk_generate",
                self.handle,
                adapter.handle if adapter else None,
                ctypes.byref(settings),
                ctypes.byref(callbacks),
                pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)),
                size,
            )
        except c.LikenessError:
            if errors:
                raise errors[0] from None
            raise
        return pixels.reshape(-1, self.image_size, self.image_size, 3)

    def tokenize(self, text: str, adapter: Adapter | None = None) -> list[int]:
        """Token ids without start, end and padding, uncut."""
        capacity = 4 * len(text.encode("utf-8", "replace")) + 16
        ids = (ctypes.c_int64 * capacity)()
        count = ctypes.c_size_t()
        c.call(
            "lk_tokenize",
            self.handle,
            adapter.handle if adapter else None,
            c.encode(text),
            ids,
            capacity,
            ctypes.byref(count),
            None,
        )
        return list(ids[: count.value])

    def encode_decode(self, pixels: Pixels) -> Pixels:
        """A photo's centre square (size, size, 3) as the image decoder can show it."""
        pixels, pointer = as_pixels(pixels)
        height, width, channels = pixels.shape
        out = np.empty((self.image_size, self.image_size, 3), dtype=np.uint8)
        _, out_pointer = as_pixels(out)
        c.call(
            "lk_encode_decode",
            self.handle,
            pointer,
            width,
            height,
            width * channels,
            channels,
            out_pointer,
            out.nbytes,
        )
        return out


def _values(structure: ctypes.Structure) -> dict[str, Any]:
    """A settings structure as Python values."""
    out = {}
    for name, kind in structure._fields_:  # type: ignore[misc]
        value = getattr(structure, name)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        out[name] = bool(value) if kind is ctypes.c_int32 else value
    return out
