"""The table of Core ML variants: what is there is not made again, what failed is said, what changed is made anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from export import make_bundle
from export.coreml import variants

REPORT = {
    "denoise_cosine": 0.9999,
    "denoise_relative_error": 2e-3,
    "denoise_psnr_db": 67.4,
    "denoise_megabytes": 18.6,
    "bundle_megabytes": 32.3,
}


class Exporter:
    """In place of an export of minutes: keeps what it was called with."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.status = 0

    def __call__(self, arguments: list[str]) -> int:
        self.calls.append(arguments)
        if self.status == 0:
            Path(arguments[arguments.index("--report") + 1]).write_text(json.dumps(REPORT))
        return self.status


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Exporter:
    fake = Exporter()
    monkeypatch.setattr(make_bundle, "main", fake)
    return fake


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"1")
    return tmp_path / "model"


def run(model: Path, *names: str) -> int:
    return variants.main(["--model", str(model), "--output", str(model.parent / "out"), "--variants", *names])


def test_a_variant_is_made_once_and_again_when_its_model_changes(exporter: Exporter, model: Path) -> None:
    assert run(model, "int8", "palette6") == 0
    assert [call for call in exporter.calls if "--weights=int8" in call and "--train-precision=float16" in call]
    assert len(exporter.calls) == 2
    assert run(model, "int8", "palette6") == 0
    assert len(exporter.calls) == 2
    (model / "weights").write_bytes(b"2")
    assert run(model, "int8") == 0
    assert len(exporter.calls) == 3


def test_the_table_has_every_method_and_the_whole(exporter: Exporter, model: Path) -> None:
    assert run(model, "float16, train float32", "int8") == 0
    lines = (model.parent / "out" / "table.md").read_text().splitlines()
    assert "| denoise | int8 | float16 | 18.60 | 2.0e-03 | 0.999900 | 67.4 |" in lines
    assert "| whole bundle | float16, train float32 |  | 32.30 |  |  |  |" in lines
    assert len(lines) == 2 + 2 * 2


def test_a_variant_that_fails_is_missing_and_makes_the_exit_code_one(exporter: Exporter, model: Path) -> None:
    exporter.status = 1
    assert run(model, "int8") == 1
    exporter.status = 0
    assert run(model, "int8") == 0
    assert len(exporter.calls) == 2
