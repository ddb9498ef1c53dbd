"""The bookkeeping of the task-specific study: what is missing, what its table says, whose results it takes."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from server_distill.study_task_specific import SCORES, START, missing_scores, read_results, table, write_results

SETTINGS = {"steps": 3, "batch": 2, "learning_rate": 1e-4, "samples_per_prompt": 1, "subjects": 2}


def scores(gain: float) -> dict[str, float]:
    return {name: 0.5 for name in SCORES} | {"gain": gain}


def test_all_arms_of_a_seed_come_before_the_next_seed() -> None:
    args = argparse.Namespace(arms=[START, "plain", "attention only"], seeds=2)
    results = {"plain": {"0": scores(0.1)}, "attention only": {"1": scores(0.1)}}
    assert missing_scores(args, results) == [(START, 0), ("attention only", 0), ("plain", 1)]


def test_a_result_that_lacks_a_score_is_missing() -> None:
    args = argparse.Namespace(arms=["plain"], seeds=1)
    part = {name: 0.5 for name in SCORES[:-1]}
    assert missing_scores(args, {"plain": {"0": part}}) == [("plain", 0)]


def test_the_table_compares_equal_seeds() -> None:
    """0.02 and 0.06 over the plain arm's: 0.04 ± 0.028; the third seed has nothing to be compared with."""
    plain = {"0": scores(0.10), "1": scores(0.20)}
    other = {"0": scores(0.12), "1": scores(0.26), "2": scores(0.90)}
    rows = table({"plain": plain, "attention only": other}).splitlines()[2:]
    assert rows[0].split("|")[1:4] == [" plain ", " 2 ", " 0.150 ± 0.071 "] and rows[0].endswith("|  |")
    assert rows[1].endswith("| 0.040 ± 0.028 |")


def test_results_of_other_settings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert read_results(path, SETTINGS) == {}
    results = {"plain": {"0": scores(0.1)}}
    write_results(path, SETTINGS, results)
    assert read_results(path, SETTINGS) == results
    assert "0.100" in path.with_suffix(".md").read_text()
    with pytest.raises(ValueError, match="other settings"):
        read_results(path, {**SETTINGS, "steps": 4})
