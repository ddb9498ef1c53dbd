"""Checkpoints of a training run: one file, replaced whole, so that a run may be killed at any instant."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import torch

from models.whole_files import whole_file


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write `state` beside `path`, flush it to disk, then rename it into place."""
    with whole_file(path) as temporary:
        torch.save(state, temporary)


def load_state(path: Path) -> dict[str, Any] | None:
    """The saved state, or None when there is no checkpoint yet."""
    return torch.load(path, map_location="cpu", weights_only=False) if path.exists() else None


class StopRequest:
    """True once SIGINT or SIGTERM has arrived, so that a loop can save before it ends."""

    def __init__(self) -> None:
        self.asked = False
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True

    def __bool__(self) -> bool:
        return self.asked
