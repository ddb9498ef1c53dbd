"""The teacher's outputs and features on disk, by micro-step, so that training needn't hold the teacher.

    teacher-000000.safetensors   output (B, 4, h, w) and each paired module's hidden state, in the teacher's dtype

What a micro-step draws depends on its number alone, so its teacher outputs can be computed beforehand; training then
goes round the cached micro-steps. With as many as it takes, it is the same training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from models.whole_files import whole_file


class TeacherCacheError(RuntimeError):
    """The cache is another run's, damaged, or can't be written."""


class TeacherCache:
    """`count` micro-steps' outputs in `folder`; made of `settings`, another's are refused."""

    def __init__(self, folder: Path, count: int, settings: Mapping[str, object]) -> None:
        self.folder, self.count = folder, count
        folder.mkdir(parents=True, exist_ok=True)
        described, now = folder / "teacher.json", json.loads(json.dumps(dict(settings)))
        if described.exists() and json.loads(described.read_text()) != now:
            raise TeacherCacheError(f"{folder} holds the teacher's outputs for other settings: remove it")
        described.write_text(json.dumps(now, indent=1) + "\n")

    def _path(self, micro_step: int) -> Path:
        return self.folder / f"teacher-{micro_step % self.count:06d}.safetensors"

    def missing(self) -> list[int]:
        return [step for step in range(self.count) if not self._path(step).exists()]

    def fill(self, outputs: Callable[[int], dict[str, Tensor]]) -> None:
        """Compute what is missing; each file appears whole."""
        for step in tqdm(self.missing(), desc="teacher", unit=" micro-steps"):
            path = self._path(step)
            kept = {name: tensor.cpu().contiguous() for name, tensor in outputs(step).items()}
            try:
                with whole_file(path) as temporary:
                    save_file(kept, temporary)
            except (OSError, SafetensorError) as error:
                raise TeacherCacheError(f"{path} can't be written ({error}): make room and run again") from error

    def read(self, micro_step: int) -> dict[str, Tensor]:
        path = self._path(micro_step)
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise TeacherCacheError(f"{path} is damaged ({error}): remove it and run again") from error
