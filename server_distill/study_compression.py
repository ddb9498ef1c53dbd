"""What compressing an adapter costs: size and gain at several ranks, over personalized subjects.

    make evaluate-personalization study-compression

Takes the adapters that `evaluate_personalization` left, cuts their change off after so many singular values
(convert_adapter compress; `60 %`: Kumari et al. 2023, appendix), and draws and scores the same pictures again.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from device_runtime import Engine
from models.adapter_file import AdapterFile, read, write
from models.whole_files import whole_file
from server_distill.convert_adapter import base_of, compress
from server_distill.default_model.evaluate_personalization import reported_subjects
from server_distill.default_model.personalization_scores import prompt_places, prompts, scores, subject_views

RANKS: dict[str, dict[str, float]] = {
    "1": {"rank": 1},
    "2": {"rank": 2},
    "4": {"rank": 4},
    "8": {"rank": 8},
    "16": {"rank": 16},
    "60 %": {"explained": 0.6},
}


def as_full(small: AdapterFile, whole: AdapterFile, base: dict) -> AdapterFile:
    """A LoRA's matrices W0 + B·A in the place of `whole`'s: the core's LoRA programs have one rank only."""
    tensors = {}
    for name in whole.tensors:
        prefix = name.removesuffix(".weight")
        change = small.tensors[f"{prefix}.lora_B.weight"] @ small.tensors[f"{prefix}.lora_A.weight"]
        tensors[name] = base[name] + change
    return AdapterFile(**{**vars(whole), "tensors": tensors})


def page(table: str, subjects: int, pictures: int) -> str:
    """What was done, and the table."""
    return (
        "# What compressing an adapter costs\n\n"
        "Written by `make study-compression`: full adapters of "
        f"{subjects} held-out subjects, cut off after so many singular values of their change; means over the "
        f"subjects, {pictures} pictures each. Gain: 0 is the class as it was drawn before, 1 the subject itself "
        "(Lite2 cosine).\n\n"
        f"{table}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("out/bundle"))
    parser.add_argument("--adapters", type=Path, default=Path("out/evaluate-personalization"))
    parser.add_argument("--output", type=Path, default=Path("out/study-compression"))
    parser.add_argument("--subjects", type=int, default=12)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--page", type=Path, help="also write the table, and what it shows, there")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[tuple[float, float, float, int]]] = {name: [] for name in ("full", *RANKS)}
    places = prompt_places(args.pictures, seed=17)
    with Engine(args.bundle) as engine:
        for item in tqdm(reported_subjects(args.subjects), desc="subjects", unit=" subjects"):
            source = args.adapters / re.sub(r"\W+", "-", item.name) / "adapter.safetensors"
            whole = read(source)
            base, _ = base_of(whole, args.bundle)
            personal = prompts(f"{whole.modifier_tokens[0]} {item.class_name}", places)
            plain = prompts(item.class_name, places)
            before = np.stack([engine.generate(text, seed=i)[0] for i, text in enumerate(plain)])
            views = subject_views(item, places)
            for name in rows:
                path, lost, rank, size = args.output / "adapter.safetensors", 0.0, 0, source.stat().st_size
                if name == "full":
                    write(path, whole)
                else:
                    small, lost = compress(whole, base, **RANKS[name])  # type: ignore[arg-type]
                    write(path, small)
                    rank, size = small.rank or 0, path.stat().st_size
                    write(path, as_full(small, whole, base))
                with engine.load_adapter(path) as adapter:
                    after = np.stack([engine.generate(text, adapter, seed=i)[0] for i, text in enumerate(personal)])
                rows[name].append((size / 2**10, lost, scores(before, after, views)["gain"], rank))
    lines = ["| rank | KB | lost of the change's squared norm | gain |", "| --- | --- | --- | --- |"]
    for name, figures in rows.items():
        size, lost, gain, rank = np.mean(figures, axis=0)
        title = f"{name} (rank {rank:.0f})" if "%" in name else name
        lines.append(f"| {title} | {size:.0f} | {100 * lost:.1f} % | {gain:.3f} |")
    text = "\n".join(lines) + "\n"
    print(text, end="")
    (args.output / "report.md").write_text(text)
    if args.page:
        with whole_file(args.page) as temporary:
            temporary.write_text(page(text, args.subjects, args.pictures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
