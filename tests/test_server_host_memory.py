"""Freed tensors leave the process, or stay, as a program asks for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pathlib import Path
import torch
from server_distill.training.host_memory import give_back_freed_tensors

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if sys.argv[1] == "given back":
    assert give_back_freed_tensors()
del_first = torch.ones(7 << 20)  # 28 MiB, whose end raises glibc's threshold to as much
del del_first
before = resident()
freed, kept = [], []
for _ in range(64):
    freed.append(torch.ones(1 << 20))
    kept.append(torch.ones(1 << 14))
freed.clear()
print((resident() - before) >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_what_lies_between_living_tensors_is_given_back() -> None:
    """64 tensors of 4 MiB are freed, 64 of 64 KiB between them live on."""

    def left(how: str) -> int:
        return int(subprocess.run([sys.executable, "-c", PROGRAM, how], check=True, capture_output=True).stdout)

    assert left("given back") < 16  # MiB; 4 of them alive
    assert left("stock") > 128


KEEPING = """
import resource, sys
import torch
from server_distill.training.host_memory import keep_freed_tensors

if sys.argv[1] == "kept":
    assert keep_freed_tensors()
first = torch.ones(12 << 20)  # 48 MiB: more than glibc ever keeps by itself
del first
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(60):
    torch.ones(12 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_the_next_tensor_lies_where_a_kept_one_was() -> None:
    """Sixty tensors of 48 MiB, one after another: their pages are new each time, or hardly ever."""

    def faults(how: str) -> int:
        return int(subprocess.run([sys.executable, "-c", KEEPING, how], check=True, capture_output=True).stdout)

    assert faults("kept") < faults("stock") / 4
