"""Personalize held-out subjects with the C++ core and score what comes out.

    python -m server_distill.default_model.evaluate_personalization --bundle out/bundle --subjects 12

Settings are tuned on the subjects of `TUNING` only and reported on others. Each subject's result is kept in the output
folder, so an interrupted run goes on where it was; --fresh starts over. Writes report.json (flat keys: medians and
means over subjects), report.md (a row a subject) and sheet.png.

    gain              (after − before) / (ceiling − before) in Lite2 cosine, see personalization_scores
    gain_limit        the gain of other real views of the subject, only encoded and decoded: a perfect UNet's
    background        share of personalized pictures whose background a linear probe names rightly
    prior_change      mean absolute change, in levels of 255, of pictures of the class without the token, same seeds
    prior_drift       the same change in Lite2 cosine distance, over that between two of the class's pictures, which
                      differ in seed and background. Below 1 the prior is kept
    prior_kept        share of subjects whose prior is kept
    prior_gain        the gain that the class without the token shows: 0 when the subject did not leak into its class
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from device_runtime import Engine, Session
from server_distill.contact_sheet import contact_sheet
from server_distill.default_model.background_probe import BackgroundProbe
from server_distill.default_model.objects import PictureObject, load_cutout, read_catalogue
from server_distill.default_model.personalization_scores import (
    drift,
    prompt_places,
    prompts,
    scores,
    subject_photos,
    subject_views,
)
from server_distill.default_model.row_report import means_and_medians, write_row_report

TUNING = ("black cat", "poodle", "owl", "racing car", "strawberry", "steam train")
"""Subjects that settings were chosen on; never reported."""

SUMMARIZED = (
    *("gain", "gain_limit", "background", "prior_change", "prior_drift", "prior_gain", "seconds"),
    *("before", "after", "ceiling"),
)
PRIOR_DRIFT_BOUND = 1.0
"""A class may change by less than its pictures differ from one another anyway."""


def reported_subjects(count: int) -> list[PictureObject]:
    """`count` held-out subjects, spread over the catalogue, none of which settings were chosen on."""
    items = [item for item in read_catalogue("held_out") if item.name not in TUNING]
    order = np.random.default_rng(11).permutation(len(items))
    return [items[i] for i in order[:count]]


def evaluate_subject(
    engine: Engine, item: PictureObject, probe: BackgroundProbe, folder: Path, pictures: int, changes: dict[str, float]
) -> dict[str, float | str]:
    """Train on five photos of `item`, paint, score; pictures and the adapter stay in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    token = "<subject>"
    places = prompt_places(pictures, seed=17)
    plain, personal = prompts(item.class_name, places), prompts(f"{token} {item.class_name}", places)
    begun = time.monotonic()
    settings = engine.train_settings(class_name=item.class_name, token=token, seed=1, **changes)
    with Session.create(engine, settings) as session:
        for photo in subject_photos(item):
            session.add_photo(photo)
        session.run()
        session.save_adapter(folder / "adapter.safetensors")
    seconds = time.monotonic() - begun
    before = np.stack([engine.generate(text, seed=i)[0] for i, text in enumerate(plain)])
    with engine.load_adapter(folder / "adapter.safetensors") as adapter:
        after = np.stack([engine.generate(text, adapter, seed=i)[0] for i, text in enumerate(personal)])
        kept = np.stack([engine.generate(text, adapter, seed=i)[0] for i, text in enumerate(plain)])
    views = subject_views(item, places)
    decoded = np.stack([engine.encode_decode(view) for view in subject_views(item, places, seed=2)])
    result = scores(before, after, views)
    limit, leaked = scores(before, decoded, views), scores(before, kept, views)
    for name, batch in (
        ("photos", np.stack(subject_photos(item))),
        ("before", before),
        ("after", after),
        ("kept", kept),
    ):
        Image.fromarray(np.concatenate(list(batch), axis=1)).save(folder / f"{name}.png")
    return {
        "subject": item.name,
        "class": item.class_name,
        **{key: round(value, 4) for key, value in result.items()},
        "gain_limit": round(limit["gain"], 4),
        "background": round(probe.accuracy(after, places), 4),
        "prior_change": round(float(np.abs(kept.astype(float) - before).mean()), 3),
        "prior_drift": round(drift(before, kept), 4),
        "prior_gain": round(leaked["gain"], 4),
        "seconds": round(seconds, 1),
    }


def summarize(rows: list[dict], output: Path) -> dict[str, float]:
    """Write the tables and the sheet."""
    report = {"subjects": len(rows), **means_and_medians(rows, SUMMARIZED)}
    report["prior_drift_bound"] = PRIOR_DRIFT_BOUND
    report["prior_kept"] = round(float(np.mean([row["prior_drift"] < PRIOR_DRIFT_BOUND for row in rows])), 4)
    write_row_report(rows, report, output)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("out/bundle"))
    parser.add_argument("--output", type=Path, default=Path("out/evaluate-personalization"))
    parser.add_argument("--subjects", type=int, default=12)
    parser.add_argument("--pictures", type=int, default=6, help="pictures a subject, each on its own background")
    parser.add_argument("--tuning", action="store_true", help="use the tuning subjects instead of the reported ones")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a training setting")
    parser.add_argument("--fresh", action="store_true", help="forget results of earlier runs")
    args = parser.parse_args()
    if not (args.bundle / "manifest.json").exists():
        parser.error(f"{args.bundle} is not a bundle: run `make export` first")
    items = (
        [i for i in read_catalogue("held_out") if i.name in TUNING] if args.tuning else reported_subjects(args.subjects)
    )
    changes = {name: json.loads(value) for name, value in (pair.split("=", 1) for pair in args.set)}
    probe = BackgroundProbe([load_cutout(item) for item in read_catalogue("held_out")])
    rows, sheet, captions = [], [], []
    with Engine(args.bundle) as engine:
        weights = engine.info["model"]["weights_sha256"]
        for item in tqdm(items, desc="subjects", unit=" subjects"):
            folder = args.output / re.sub(r"\W+", "-", item.name)
            done = folder / "result.json"
            key = {"weights": weights, "pictures": args.pictures, "changes": changes, "scores": list(SUMMARIZED)}
            saved = json.loads(done.read_text()) if done.exists() and not args.fresh else {}
            if saved.get("key") != key:
                result = evaluate_subject(engine, item, probe, folder, args.pictures, changes)
                saved = {"key": key, "result": result}
                done.write_text(json.dumps(saved))
            rows.append(saved["result"])
            strips = [np.asarray(Image.open(folder / f"{name}.png")) for name in ("photos", "before", "after")]
            size = engine.image_size
            sheet.append(
                [
                    strips[0][:, :size],
                    strips[0][:, size : 2 * size],
                    *np.split(strips[1], args.pictures, 1)[:3],
                    *np.split(strips[2], args.pictures, 1)[:6],
                ]
            )
            captions.append(["photo", "photo", *["before"] * 3, *["after"] * min(6, args.pictures)])
    contact_sheet(sheet, args.output / "sheet.png", captions, [f"{row['subject']} ({row['class']})" for row in rows])
    summarize(rows, args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
