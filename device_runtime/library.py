"""Finds and loads the core's shared library, and declares its C functions and structures for ctypes.

The structures mirror include/likeness.h field by field.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from ctypes import (
    POINTER,
    c_char_p,
    c_double,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint64,
    c_void_p,
)
from pathlib import Path

from device_runtime.errors import LikenessError, error_for

API_VERSION = 4
REPOSITORY = Path(__file__).resolve().parent.parent


class EngineOptions(ctypes.Structure):
    _fields_ = [
        ("skip_hash_check", c_int32),
        ("threads", c_int32),
        ("memory_limit_bytes", c_uint64),
        ("cache_folder", c_char_p),
    ]


class TrainSettings(ctypes.Structure):
    _fields_ = [
        ("class_name", c_char_p),
        ("token", c_char_p),
        ("adapter_kind", c_char_p),
        ("optimizer", c_char_p),
        ("lr_schedule", c_char_p),
        ("preview_prompt", c_char_p),
        ("seed", c_uint64),
        ("steps", c_int64),
        ("warmup_steps", c_int64),
        ("views", c_int64),
        ("checkpoint_every", c_int64),
        ("preview_every", c_int64),
        ("learning_rate", c_double),
        ("modifier_learning_rate", c_double),
        ("weight_decay", c_double),
        ("max_grad_norm", c_double),
        ("prior_loss_weight", c_double),
        ("prior_text_weight", c_double),
        ("fine_timesteps", c_double),
        ("hflip", c_int32),
        ("size_augmentation", c_int32),
        ("caption_places", c_int32),
    ]


class Plan(ctypes.Structure):
    _fields_ = [
        ("steps", c_int64),
        ("steps_done", c_int64),
        ("photos", c_int64),
        ("views", c_int64),
        ("instance_rows", c_int64),
        ("prior_rows", c_int64),
        ("memory_bytes", c_uint64),
        ("resident_memory_bytes", c_uint64),
        ("journal_bytes", c_uint64),
        ("staged", c_int32),
        ("prior_class", ctypes.c_char * 64),
    ]


class Progress(ctypes.Structure):
    _fields_ = [
        ("phase", c_int32),
        ("step", c_int64),
        ("steps", c_int64),
        ("loss", c_double),
        ("seconds", c_double),
        ("eta", c_double),
    ]


TrainProgressCallback = ctypes.CFUNCTYPE(c_int32, c_void_p, POINTER(Progress))
PreviewCallback = ctypes.CFUNCTYPE(c_int32, c_void_p, c_int64, POINTER(c_uint8), c_int32)
SampleProgressCallback = ctypes.CFUNCTYPE(c_int32, c_void_p, c_int64, c_int64)


class TrainCallbacks(ctypes.Structure):
    _fields_ = [
        ("user", c_void_p),
        ("progress", TrainProgressCallback),
        ("preview", PreviewCallback),
    ]


class SampleSettings(ctypes.Structure):
    _fields_ = [
        ("prompt", c_char_p),
        ("negative_prompt", c_char_p),
        ("sampler", c_char_p),
        ("seed", c_uint64),
        ("steps", c_int64),
        ("count", c_int64),
        ("guidance_scale", c_double),
    ]


class SampleCallbacks(ctypes.Structure):
    _fields_ = [("user", c_void_p), ("progress", SampleProgressCallback)]


_Pixels = POINTER(c_uint8)
_Handle = POINTER(c_void_p)
_Text = POINTER(c_void_p)

# name → argument types, for the functions that return a status.
_STATUS_FUNCTIONS = {
    "lk_engine_open": [c_char_p, POINTER(EngineOptions), _Handle],
    "lk_engine_info": [c_void_p, _Text],
    "lk_adapter_load": [c_void_p, c_char_p, _Handle],
    "lk_adapter_info": [c_void_p, _Text],
    "lk_adapter_merge": [c_void_p, POINTER(c_void_p), c_size_t, c_char_p],
    "lk_train_settings_default": [c_void_p, POINTER(TrainSettings)],
    "lk_session_create": [c_void_p, POINTER(TrainSettings), c_char_p, _Handle],
    "lk_session_resume": [c_void_p, c_char_p, _Handle],
    "lk_session_add_photo": [c_void_p, _Pixels, c_int32, c_int32, c_size_t, c_int32],
    "lk_session_plan": [c_void_p, POINTER(Plan)],
    "lk_session_run": [c_void_p, POINTER(TrainCallbacks)],
    "lk_session_save_adapter": [c_void_p, c_char_p],
    "lk_session_close": [c_void_p],
    "lk_sample_settings_default": [c_void_p, POINTER(SampleSettings)],
    "lk_generate": [
        c_void_p,
        c_void_p,
        POINTER(SampleSettings),
        POINTER(SampleCallbacks),
        _Pixels,
        c_size_t,
    ],
    "lk_tokenize": [
        c_void_p,
        c_void_p,
        c_char_p,
        POINTER(c_int64),
        c_size_t,
        POINTER(c_size_t),
        POINTER(c_size_t),
    ],
    "lk_encode_decode": [c_void_p, _Pixels, c_int32, c_int32, c_size_t, c_int32, _Pixels, c_size_t],
}
# name → argument types and result.
_OTHER_FUNCTIONS = {
    "lk_api_version": ([], c_int32),
    "lk_last_error": ([], c_char_p),
    "lk_string_free": ([c_void_p], None),
    "lk_engine_close": ([c_void_p], None),
    "lk_engine_image_size": ([c_void_p], c_int32),
    "lk_engine_trim": ([c_void_p], None),
    "lk_adapter_close": ([c_void_p], None),
    "lk_session_pause": ([c_void_p], None),
    "lk_session_unpause": ([c_void_p], None),
    "lk_session_cancel": ([c_void_p], None),
    "lk_generate_bytes": ([c_void_p, POINTER(SampleSettings)], c_size_t),
}


def library_path() -> Path:
    """`LIKENESS_LIBRARY`, or where `make core` builds it. Raises LikenessError where there is none."""
    named = os.environ.get("LIKENESS_LIBRARY")
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    path = Path(named) if named else REPOSITORY / "build" / "device_runtime" / f"liblikeness{suffix}"
    if not path.is_file():
        where = "LIKENESS_LIBRARY names" if named else "expected at"
        raise LikenessError(
            f"the core is not built ({where} {path}): run `make core` in the repository, "
            "or set LIKENESS_LIBRARY to a liblikeness library"
        )
    return path


@functools.cache
def library() -> ctypes.CDLL:
    """The loaded core, its functions declared."""
    path = library_path()
    try:
        core = ctypes.CDLL(str(path))
    except OSError as error:
        raise LikenessError(f"the core does not load ({error}); build it again with `make core`") from error
    functions = {**{name: (types, c_int32) for name, types in _STATUS_FUNCTIONS.items()}, **_OTHER_FUNCTIONS}
    for name, (arguments, result) in functions.items():
        try:
            function = getattr(core, name)
        except AttributeError as error:
            raise LikenessError(f"{path} has no {name}, it is older: build it again with `make core`") from error
        function.argtypes, function.restype = arguments, result
    if core.lk_api_version() != API_VERSION:
        raise LikenessError(
            f"{path} has API version {core.lk_api_version()}, this package needs {API_VERSION}: "
            "build it again with `make core`"
        )
    return core


def call(name: str, *arguments: object) -> None:
    """Call the function `name`; raises the exception of its status."""
    core = library()
    status = getattr(core, name)(*arguments)
    if status != 0:
        raise error_for(status, core.lk_last_error().decode("utf-8", "replace"))


def take_text(name: str, handle: object) -> str:
    """The text that the function `name` makes of `handle`."""
    text = c_void_p()
    call(name, handle, ctypes.byref(text))
    try:
        return ctypes.string_at(text.value or 0).decode("utf-8", "replace")
    finally:
        library().lk_string_free(text)


def encode(text: str | os.PathLike[str]) -> bytes:
    """UTF-8 as the core takes it; a path keeps the bytes the file system gave it."""
    encoded = os.fsencode(text) if isinstance(text, os.PathLike) else text.encode("utf-8", "replace")
    if b"\0" in encoded:
        raise error_for(1, "a text contains a zero character; remove it")
    return encoded
