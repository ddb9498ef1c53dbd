"""The core's errors as Python exceptions: one class a status code, the core's message as text."""

from __future__ import annotations


class LikenessError(Exception):
    """A call of the core failed. `code` is the lk_status; the text says what is wrong and what to do."""

    code = 0


class InvalidArgumentError(LikenessError, ValueError):
    """A setting or an argument is not one the core can work with."""

    code = 1


class LikenessIOError(LikenessError, OSError):
    """A file or folder cannot be read or written."""

    code = 2

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class CorruptError(LikenessError):
    """A file is damaged, or is not what it should be."""

    code = 3


class UnsupportedVersionError(LikenessError):
    """A file is of a newer or an older format."""

    code = 4


class WrongModelError(LikenessError):
    """An adapter or a journal belongs to another base model; the message names both."""

    code = 5


class OutOfMemoryError(LikenessError, MemoryError):
    """There is not enough memory."""

    code = 6


class CancelledError(LikenessError):
    """Somebody asked to stop. A session has written a checkpoint and can be run again."""

    code = 7


class BusyError(LikenessError):
    """A session is running on another thread, or another process has its journal."""

    code = 8


class NotFiniteError(LikenessError, ArithmeticError):
    """Training diverged, or a file holds a value that is not a finite number."""

    code = 9


class DiskFullError(LikenessError, OSError):
    """No space left. The last checkpoint is whole; free some and run the session again."""

    code = 10

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class InternalError(LikenessError, RuntimeError):
    """A mistake in the core."""

    code = 11


class BadPhotoError(LikenessError, ValueError):
    """A picture cannot be used as a photo; the message says why."""

    code = 12


_CLASSES: dict[int, type[LikenessError]] = {
    cls.code: cls
    for cls in (
        InvalidArgumentError,
        LikenessIOError,
        CorruptError,
        UnsupportedVersionError,
        WrongModelError,
        OutOfMemoryError,
        CancelledError,
        BusyError,
        NotFiniteError,
        DiskFullError,
        InternalError,
        BadPhotoError,
    )
}


def error_for(status: int, message: str) -> LikenessError:
    """The exception of a status other than LK_OK."""
    return _CLASSES.get(status, InternalError)(message)
