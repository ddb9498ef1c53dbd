"""How much an object's own name brings over its class, in the score that personalization has: what training reached.

    python -m server_distill.default_model.evaluate_names --model models/default/student

For objects that the model was trained on, "a photo of a ferry on grass" is scored against the object's own views as a
subject's pictures are, with "a photo of a boat on grass" in the place of the picture before. An adapter learns in
minutes what the name learned in a whole training, so this says how much of a missing gain is the model's and not the
adapter's; and it takes minutes where personalizing twelve subjects takes an hour. Writes report.json (flat keys) and
report.md (a row an object):

    gain         (named − class) / (ceiling − class) in Lite2 cosine, see personalization_scores: mean, median
    gain_limit   the gain of other real views, only encoded and decoded: a faultless UNet's
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from server_distill.default_model.evaluate import draw, encode_and_decode
from server_distill.default_model.exit_status import exit_status
from server_distill.default_model.objects import PictureObject, read_catalogue
from server_distill.default_model.personalization_scores import prompt_places, prompts, scores, subject_views
from server_distill.default_model.row_report import means_and_medians, write_row_report
from server_distill.evaluation.pipeline import load_pipeline

PICTURES = 6
"""Of an object, each on its own background."""
SUMMARIZED = ("gain", "gain_limit", "before", "after", "ceiling")


def chosen_objects(count: int) -> list[PictureObject]:
    """`count` training objects, spread over the catalogue, whose class has another name."""
    items = [item for item in read_catalogue("train") if item.class_name != item.name]
    return [items[i] for i in np.random.default_rng(3).permutation(len(items))[:count]]


def evaluate(args: argparse.Namespace) -> None:
    """The whole run. Raises EvaluationError or OSError with a message."""
    args.output.mkdir(parents=True, exist_ok=True)
    items, places = chosen_objects(args.objects), prompt_places(PICTURES, seed=17)
    pipeline = load_pipeline(args.model)

    def drawn(words: list[str], title: str) -> list[np.ndarray]:
        texts = [text for word in words for text in prompts(word, places)]
        return np.split(draw(pipeline, texts, args.steps, args.guidance_scale, title), len(words))

    by_class = drawn([item.class_name for item in items], "classes:")
    by_name = drawn([item.name for item in items], "names:")
    rows = []
    for item, before, after in tqdm(list(zip(items, by_class, by_name, strict=True)), desc="scoring", unit=" objects"):
        views = subject_views(item, places)
        decoded = encode_and_decode(pipeline.vae, subject_views(item, places, seed=2))
        row = {**scores(before, after, views), "gain_limit": scores(before, decoded, views)["gain"]}
        rows.append({"object": item.name, "class": item.class_name, **{k: round(v, 4) for k, v in row.items()}})
    report = {"objects": len(rows), **means_and_medians(rows, SUMMARIZED)}
    write_row_report(rows, report, args.output)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/default/student"))
    parser.add_argument("--output", type=Path, default=Path("out/evaluate-names"))
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance-scale", type=float, default=3.0)
    return exit_status(evaluate, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
