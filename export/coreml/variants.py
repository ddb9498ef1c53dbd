"""Export the default model for Core ML in every precision and compression, and table sizes and errors.

    make check-coreml        # or: python -m export.coreml.variants --output out/check-coreml

Every figure is the saved package's, run by the interpreter, against stock PyTorch modules. A variant that is there,
made by the same sources from the same model, is not made again. Writes <output>/table.md and table.json. Exit code 1
when a variant is beyond its bounds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from export import make_bundle
from export.coreml.settings import CoremlSettings

REPOSITORY = Path(__file__).resolve().parent.parent.parent
VARIANTS = {
    "float16": CoremlSettings(),
    "float16, train float32": CoremlSettings(train_precision="float32"),
    "int8": CoremlSettings(weights="int8"),
    "palette6": CoremlSettings(weights="palette6"),
    "float16, original attention": CoremlSettings(attention="original"),
    "float16, iOS 17": CoremlSettings(ios=17),
}


@dataclass(frozen=True)
class Variant:
    name: str
    settings: CoremlSettings
    report: dict[str, float]


def arguments_of(settings: CoremlSettings) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in asdict(settings).items()]


def stamp(model: Path, settings: CoremlSettings) -> str:
    """Changes with whatever decides what a variant holds."""
    digest = hashlib.sha256(repr(settings).encode())
    sources = [*REPOSITORY.glob("export/**/*.py"), *REPOSITORY.glob("models/*.py"), *model.rglob("*")]
    for path in sorted(path for path in sources if path.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make(model: Path, name: str, folder: Path, extra: list[str]) -> Variant | None:
    """The variant in `folder`, exported where it is missing or out of date; None where it failed, which was printed."""
    settings = VARIANTS[name]
    marker, report, wanted = folder / "stamp", folder / "report.json", stamp(model, settings)
    if not (report.exists() and marker.exists() and marker.read_text() == wanted):
        print(f"exporting: {name}", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        marker.unlink(missing_ok=True)
        common = ["--target", "coreml", "--model", str(model), "--force"]
        places = ["--output", str(folder / "bundle"), "--report", str(report)]
        if make_bundle.main([*common, *places, *arguments_of(settings), *extra]) != 0:
            return None
        marker.write_text(wanted)
    return Variant(name, settings, json.loads(report.read_text()))


def methods_of(variant: Variant) -> list[str]:
    return [key.removesuffix("_cosine") for key in variant.report if key.endswith("_cosine")]


def rows(variants: list[Variant]) -> Iterator[tuple[str, ...]]:
    """Method by variant: size of its programs alone, and its figures."""
    for variant in variants:
        for method in methods_of(variant):
            figures = {key: variant.report[f"{method}_{key}"] for key in ("relative_error", "cosine", "psnr_db")}
            yield (
                method,
                variant.name,
                variant.settings.precision_of(method),
                f"{variant.report[f'{method}_megabytes']:.2f}",
                f"{figures['relative_error']:.1e}",
                f"{figures['cosine']:.6f}",
                f"{figures['psnr_db']:.1f}",
            )
        yield "whole bundle", variant.name, "", f"{variant.report['bundle_megabytes']:.2f}", "", "", ""


def markdown(variants: list[Variant]) -> str:
    heads = ("method", "variant", "computes in", "MB", "relative error", "cosine", "PSNR dB")
    lines = [heads, tuple("---" for _ in heads), *sorted(rows(variants), key=lambda row: row[0])]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=make_bundle.DEFAULT_MODEL, help="pipeline folder")
    parser.add_argument("--output", type=Path, default=Path("out/check-coreml"))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--jobs", type=int, default=2, help="methods at a time, each a process of its own")
    args = parser.parse_args(arguments)
    made = []
    for name in args.variants:
        folder = args.output / name.replace(", ", "-").replace(" ", "-")
        made.append(make(args.model, name, folder, ["--jobs", str(args.jobs)]))
    variants = [variant for variant in made if variant is not None]
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "table.md").write_text(markdown(variants))
    (args.output / "table.json").write_text(
        json.dumps({variant.name: variant.report for variant in variants}, indent=1) + "\n"
    )
    print(markdown(variants))
    return 0 if len(variants) == len(made) else 1


if __name__ == "__main__":
    sys.exit(main())
