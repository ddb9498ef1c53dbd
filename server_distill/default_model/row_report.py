"""What an evaluation of many things leaves: report.md, a row a thing, and report.json, flat, with means and medians."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Rows = Sequence[Mapping[str, Any]]
"""All with the same keys, in the order of the table's columns."""


def means_and_medians(rows: Rows, keys: Sequence[str]) -> dict[str, float]:
    """`<key>_mean` and `<key>_median` over rows, to four decimals."""
    report = {}
    for key in keys:
        values = [row[key] for row in rows]
        report[f"{key}_mean"] = round(float(np.mean(values)), 4)
        report[f"{key}_median"] = round(float(np.median(values)), 4)
    return report


def write_row_report(rows: Rows, report: Mapping[str, float], output: Path) -> None:
    """Both files, and both on standard output."""
    (output / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    keys = list(rows[0])
    lines = ["| " + " | ".join(keys) + " |", "| " + " | ".join("---" for _ in keys) + " |"]
    lines += ["| " + " | ".join(str(row[key]) for key in keys) + " |" for row in rows]
    (output / "report.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    print(json.dumps(report, indent=2))
