"""A pytest plugin that writes what became of each test, those left out by `-m` too, as JSON.

    LIKENESS_OUTCOMES=outcomes.json python -m pytest -p tests.arm64.outcomes ...

The keys: machine, seconds, passed (a number), failed (names), skipped (name → reason), left_out (names).
"""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import pytest

_STARTED = time.monotonic()
_passed: set[str] = set()
_failed: set[str] = set()
_skipped: dict[str, str] = {}
_left_out: list[str] = []


def pytest_deselected(items: list[pytest.Item]) -> None:
    _left_out.extend(item.nodeid for item in items)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test fails where its fixtures do, before or after it."""
    if report.failed:
        _failed.add(report.nodeid)
    elif report.skipped:
        _skipped[report.nodeid] = _reason(report.longrepr)
    elif report.when == "call":
        _passed.add(report.nodeid)


def _reason(longrepr: Any) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)


def pytest_sessionfinish() -> None:
    outcomes = {
        "machine": platform.machine(),
        "seconds": round(time.monotonic() - _STARTED, 1),
        "passed": len(_passed - _failed),
        "failed": sorted(_failed),
        "skipped": _skipped,
        "left_out": sorted(_left_out),
    }
    Path(os.environ["LIKENESS_OUTCOMES"]).write_text(json.dumps(outcomes, indent=1) + "\n")
