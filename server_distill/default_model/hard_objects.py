"""Which objects a pipeline does not draw recognizably yet, so that its further training sees more of them.

    python -m server_distill.default_model.hard_objects --model models/default/teacher

Draws every object of the catalogue a few times and asks whether it is among the five nearest in EfficientNet-Lite0's
features (`make evaluate` judges in Lite2's). Writes {codepoint: share recognized}, which the trainings of teacher and
student take as `--hard_objects` (`object_frequency.py`).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from models.whole_files import whole_file
from server_distill.default_model.backgrounds import PAINTERS
from server_distill.default_model.evaluate import draw
from server_distill.default_model.exit_status import exit_status
from server_distill.default_model.object_gallery import ObjectGallery
from server_distill.default_model.objects import read_catalogue
from server_distill.default_model.personalization_scores import prompts
from server_distill.evaluation.pipeline import load_pipeline


def recognized(model: Path, pictures: int, steps: int, guidance_scale: float) -> dict[str, float]:
    """The share of `pictures` of each object, by codepoint, that show it."""
    items, rng = read_catalogue("train"), np.random.default_rng(21)
    chosen = [row for row in range(len(items)) for _ in range(pictures)]
    texts = [prompts(items[row].name, [str(rng.choice(list(PAINTERS)))])[0] for row in chosen]
    drawn = draw(load_pipeline(model), texts, steps, guidance_scale, model.name)
    found = ObjectGallery(items, "lite0").among_nearest(drawn, chosen).view(len(items), pictures)
    return {item.codepoint: round(float(share), 4) for item, share in zip(items, found.float().mean(1), strict=True)}


def write_shares(args: argparse.Namespace) -> None:
    """The whole run. Raises EvaluationError or OSError with a message; earlier shares then stay."""
    shares = recognized(args.model, args.pictures, args.steps, args.guidance_scale)
    with whole_file(args.output) as temporary:
        temporary.write_text(json.dumps(shares, indent=0) + "\n")
    names = {item.codepoint: item.name for item in read_catalogue()}
    never = [names[codepoint] for codepoint, share in shares.items() if share == 0]
    print(
        f"{np.mean(list(shares.values())):.1%} of the pictures show their object; never: {', '.join(never) or 'none'}"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/default/teacher"))
    parser.add_argument("--output", type=Path, default=Path("out/train/hard_objects.json"))
    parser.add_argument("--pictures", type=int, default=3, help="of each object")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--guidance-scale", type=float, default=3.0)
    return exit_status(write_shares, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
