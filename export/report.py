"""What an export says of its bundle: figures with flat keys (docs/export.md), and readable tables."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from export.parity import Parity, flat_figures, table
from export.target import Lowered


@dataclass(frozen=True)
class Built:
    """What each program is made of, by name, how exact each method is, and the size of the whole bundle."""

    lowered: dict[str, Lowered]
    parities: list[Parity]
    bundle_bytes: int


def lowered_methods(built: Built) -> dict[str, list[Lowered]]:
    """What each method's programs are made of; several where it is in stages."""
    groups: dict[str, list[Lowered]] = {}
    for name, lowered in built.lowered.items():
        groups.setdefault(name.partition("/")[0], []).append(lowered)
    return groups


def _total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)


def text_report(built: Built) -> str:
    """What the programs are made of and how exact they are, a line a method."""
    lines = []
    for name, group in lowered_methods(built).items():
        parts, left_over = _total(one.parts for one in group), _total(one.left_over for one in group)
        lines.append(
            f"{name:24} {sum(one.bytes for one in group) / 2**20:7.2f} MB  "
            + (f"{len(group)} programs, " if len(group) > 1 else "")
            + ", ".join(f"{count} {part}" for part, count in parts.items())
            + (f", left over: {left_over}" if left_over else "")
        )
    lines.append(f"{'the whole bundle':24} {built.bundle_bytes / 2**20:7.2f} MB")
    return "\n".join([*lines, "", table(built.parities)])


def write_report(built: Built, path: Path, seconds: float) -> None:
    """Flat keys (docs/export.md), and the tables beside them as `.md`."""
    figures = flat_figures(built.parities)
    for name, group in lowered_methods(built).items():
        figures[f"{name}_megabytes"] = round(sum(one.bytes for one in group) / 2**20, 3)
        figures[f"{name}_programs"] = len(group)
        for part, count in _total(one.parts for one in group).items():
            figures[f"{name}_{part}"] = count
        figures[f"{name}_operations_left_over"] = sum(_total(one.left_over for one in group).values())
    figures["bundle_megabytes"] = round(built.bundle_bytes / 2**20, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"seconds": round(seconds, 1), **figures}, indent=1) + "\n")
    path.with_suffix(".md").write_text(f"```\n{text_report(built)}\n```\n")
