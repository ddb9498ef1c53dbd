"""An exporter that is killed leaves no process behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from export.programs import end_with_parent

PROGRAM = """
import time
from concurrent.futures import ProcessPoolExecutor
from tests.test_export_workers import SPAWN, begin, process_id
pool = ProcessPoolExecutor(1, mp_context=SPAWN, initializer=begin)
print(pool.submit(process_id).result(), flush=True)
time.sleep(600)
"""
SPAWN = multiprocessing.get_context("spawn")


def begin() -> None:
    end_with_parent()


def process_id() -> int:
    return os.getpid()


def ended(process: int) -> bool:
    """Whether it is gone, or only its parent's notice of it is left."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_workers_end_with_a_killed_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert not ended(worker)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(300):  # half a minute: it need not be at once
        if ended(worker):
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker outlived its parent")
