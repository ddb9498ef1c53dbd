"""What an evaluation leaves for people and programs: report.json (flat keys), report.md and sheet.png."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from device_runtime import load_photo
from server_distill.contact_sheet import contact_sheet
from server_distill.evaluation.picture_features import centre_square
from server_distill.evaluation.pictures import FOLDER, Picture, load_png, write_whole
from server_distill.evaluation.scores import SCORES, Scores

CELL = 160
COLUMNS, ROWS = 8, 8


def write_report(output: Path, about: dict[str, object], pictures: Sequence[Picture], scores: Scores) -> str:
    """`about` is the run: what was evaluated and how. Returns the table of scores."""
    report = dict(about)
    for name in SCORES:
        report[name] = None if name in scores.absent else round(scores.figures[name], 4)
        if name in scores.absent:
            report[f"{name}_absent"] = scores.absent[name]
    report |= {name: round(value, 4) for name, value in scores.figures.items() if name not in report}
    write_whole(output / "report.json", (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode())
    table = score_table(scores)
    parts = [table, "\n", settings_table(report, scores), "\n", prompt_table(pictures, scores)]
    write_whole(output / "report.md", "".join(parts).encode())
    return table


def score_table(scores: Scores) -> str:
    """A row a score, absent ones with their reason."""
    rows = [f"| {name} | {value:.4f} |\n" for name, value in scores.figures.items()]
    rows += [f"| {name} | absent: {scores.absent[name]} |\n" for name in SCORES if name in scores.absent]
    return "| score | value |\n| --- | --- |\n" + "".join(sorted(rows))


def settings_table(report: dict[str, object], scores: Scores) -> str:
    """All of the report that is no score."""
    names = [name for name in report if name not in scores.figures and name.removesuffix("_absent") not in SCORES]
    return "| run | |\n| --- | --- |\n" + "".join(f"| {name} | {_cell(report[name])} |\n" for name in names)


def prompt_table(pictures: Sequence[Picture], scores: Scores) -> str:
    """A row a prompt, with the means over its pictures of the scores that a picture has by itself."""
    names = list(scores.by_picture)
    lines = ["| prompt | " + " | ".join([*names, "pictures"]) + " |", "| --- " * (len(names) + 2) + "|"]
    rows: dict[str, list[int]] = {}
    for i, picture in enumerate(pictures):
        rows.setdefault(picture.prompt, []).append(i)
    for prompt, indices in rows.items():
        means = [f"{float(scores.by_picture[name][torch.tensor(indices)].mean()):.4f}" for name in names]
        lines.append("| " + " | ".join([_cell(prompt), *means, str(len(indices))]) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    """As Markdown shows it: "<new1>" would pass for HTML."""
    return str(value).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def write_sheet(output: Path, pictures: Sequence[Picture], references: Sequence[Path]) -> None:
    """References, then the first picture of every prompt, then the second ones: as many as fit the sheet."""
    photos = [centre_square(load_photo(path), CELL) for path in references[:COLUMNS]]
    # `pictures` goes prompt by prompt; a stable sort by number keeps the prompts' order.
    numbers = list(dict.fromkeys(picture.number for picture in pictures))
    shown = sorted(pictures, key=lambda picture: numbers.index(picture.number))[: COLUMNS * ROWS]
    rows, captions = ([photos], [["photo"] * len(photos)]) if photos else ([], [])
    for start in range(0, len(shown), COLUMNS):
        part = shown[start : start + COLUMNS]
        rows.append([load_png(output / FOLDER / picture.name) for picture in part])
        captions.append([picture.prompt for picture in part])
    contact_sheet(rows, output / "sheet.png", captions, cell=CELL)
