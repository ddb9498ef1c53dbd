"""What a name brings over its class, scored as personalization is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from server_distill.default_model import evaluate_names, objects


def test_objects_are_chosen_whose_class_says_less() -> None:
    chosen = evaluate_names.chosen_objects(20)
    assert len({item.codepoint for item in chosen}) == 20
    assert all(item.split == "train" and item.class_name != item.name for item in chosen)
    assert chosen[:5] == evaluate_names.chosen_objects(5)


@pytest.mark.slow
def test_the_report_of_the_default_student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On held-out objects, whose pictures need no download; their names are unknown words, so they bring little."""
    held_out = objects.read_catalogue("held_out")
    monkeypatch.setattr(evaluate_names, "read_catalogue", lambda split: held_out)
    monkeypatch.setattr(sys, "argv", ["evaluate_names", f"--output={tmp_path}", "--objects=2", "--steps=3"])
    evaluate_names.main()
    report = json.loads((tmp_path / "report.json").read_text())
    table = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in (tmp_path / "report.md").read_text().splitlines()
    ]
    rows = [dict(zip(table[0], row, strict=True)) for row in table[2:]]
    assert report["objects"] == len(rows) == 2
    for row in rows:
        before, after, ceiling = (float(row[key]) for key in ("before", "after", "ceiling"))
        assert row["object"] != row["class"] and after != before
        assert float(row["gain"]) == pytest.approx((after - before) / (ceiling - before), abs=2e-3)  # 4 decimals
        assert float(row["gain"]) < float(row["gain_limit"]) < 1  # real views are nearer to real views
    mean = sum(float(row["gain"]) for row in rows) / 2
    assert report["gain_mean"] == pytest.approx(mean, abs=1e-4) == report["gain_median"]
