"""Photos in, personalized pictures out: the whole path on the default model.

    make demo
    make demo PHOTOS=my-photos CLASS=dog

Exports the default student to a bundle, personalizes it on a few pictures with the C++ core that phones use, and paints
the same prompts and seeds before and after. Leaves in the output folder: sheet.png, subject.safetensors (the adapter),
report.json (flat keys: times in seconds, peak memory in MB, scores; and the loss of every step) and the photos.
Without --photos the subject is a rabbit that no part of the model has seen.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from device_runtime import BadPhotoError, Engine, LikenessError, Session, load_photo
from device_runtime.photos import find_photos
from server_distill.contact_sheet import contact_sheet
from server_distill.default_model.objects import read_catalogue
from server_distill.default_model.personalization_scores import (
    PHOTO_PLACES,
    prompts,
    scores,
    subject_photos,
    subject_views,
)

SUBJECT = "rabbit face"
TOKEN = "<my-{}>"
PLACES = ["sand", "a blue background", "snow", "the night sky", "a brick wall", "a pink background"]
SEED = 1


def take_photos(folder: Path) -> str:
    """Write the default subject's five pictures into `folder`; returns its class word."""
    item = next(item for item in read_catalogue("held_out") if item.name == SUBJECT)
    folder.mkdir(parents=True, exist_ok=True)
    for i, pixels in enumerate(subject_photos(item)):
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return item.class_name


def usable_photos(folder: Path) -> list[np.ndarray]:
    """The photos of `folder` that can be read; others are named. Raises BadPhotoError when none is left."""
    photos = []
    for path in find_photos(folder) if folder.is_dir() else []:
        try:
            photos.append(load_photo(path))
        except BadPhotoError as error:
            print(f"skipped: {error}", file=sys.stderr)
    if not photos:
        raise BadPhotoError(f"{folder} holds no photo that can be used: put a few pictures of one subject there")
    return photos


def thumbnail(photo: np.ndarray, side: int) -> np.ndarray:
    """The centre square of a photo, (side, side, 3)."""
    height, width = photo.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    image = Image.fromarray(photo[top : top + edge, left : left + edge])
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))


def personalize(engine: Engine, photos: list[np.ndarray], class_name: str, adapter: Path) -> list[float]:
    """Train an adapter with the bundle's recommended settings; returns the loss of every step."""
    losses: list[float] = []
    settings = engine.train_settings(class_name=class_name, token=TOKEN.format(class_name.replace(" ", "-")), seed=SEED)
    with Session.create(engine, settings) as session, tqdm(desc="learning", unit=" steps") as bar:
        for photo in photos:
            session.add_photo(photo)

        def progress(p) -> None:  # type: ignore[no-untyped-def]
            if p.phase == "encoding":
                bar.set_description(f"looking at the photos ({p.step} of {p.steps})")
            else:
                bar.set_description("learning")
                bar.total = p.steps
                bar.update(p.step - bar.n)
                bar.set_postfix(loss=f"{p.loss:.4f}")
                losses.append(p.loss)

        session.run(progress)
        session.save_adapter(adapter)
    return losses


def paint(engine: Engine, texts: list[str], adapter: Path | None, title: str) -> list[np.ndarray]:
    """One picture a prompt, each with the same seed."""
    loaded = engine.load_adapter(adapter) if adapter else None
    try:
        return [engine.generate(text, loaded, seed=SEED)[0] for text in tqdm(texts, desc=title, unit=" pictures")]
    finally:
        if loaded:
            loaded.close()


def peak_memory_mb() -> float:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(args: argparse.Namespace) -> None:
    started = time.monotonic()
    output: Path = args.output
    output.mkdir(parents=True, exist_ok=True)
    report: dict[str, object] = {}
    if args.bundle is None:
        args.bundle = output / "bundle"
        print("exporting the default student to a bundle, each method checked against PyTorch", flush=True)
        # Its own process: what the exporter needs of memory is gone before the phone's part begins.
        command = [sys.executable, "-m", "export.make_bundle", "--output", str(args.bundle), "--force"]
        subprocess.run(command, check=True)
        report["export_seconds"] = round(time.monotonic() - started, 1)
    own = args.photos is not None
    if own:
        folder, class_name = args.photos, args.class_name
    else:
        folder = output / "photos"
        shutil.rmtree(folder, ignore_errors=True)
        class_name = take_photos(folder)
    photos = usable_photos(folder)
    subject = f"{TOKEN.format(class_name.replace(' ', '-'))} {class_name}"
    adapter = output / "subject.safetensors"
    with Engine(args.bundle) as engine:
        before = paint(engine, prompts(class_name, PLACES), None, "painting before")
        begun = time.monotonic()
        losses = personalize(engine, photos, class_name, adapter)
        report["personalization_seconds"] = round(time.monotonic() - begun, 1)
        report["personalization_steps"] = len(losses)
        begun = time.monotonic()
        after = paint(engine, prompts(subject, PLACES), adapter, "painting after")
        report["seconds_a_picture"] = round((time.monotonic() - begun) / len(PLACES), 2)
        report["peak_memory_mb"] = round(peak_memory_mb())
        report["adapter_bytes"] = adapter.stat().st_size
        size = engine.image_size
    if not own:
        item = next(item for item in read_catalogue("held_out") if item.name == SUBJECT)
        figures = scores(np.stack(before), np.stack(after), subject_views(item, list(PHOTO_PLACES) + PLACES))
        report |= {f"lite2_{key}": round(value, 4) for key, value in figures.items()}
    rows = [[thumbnail(photo, size) for photo in photos[: len(PLACES)]], before, after]
    contact_sheet(
        rows,
        output / "sheet.png",
        captions=[[""] * len(rows[0]), prompts(class_name, PLACES), prompts(subject, PLACES)],
        row_titles=["The photos", "Before: the model as it ships", "After: the same prompts and seeds, personalized"],
    )
    report["seconds"] = round(time.monotonic() - started, 1)
    report["loss"] = [round(value, 5) for value in losses]
    (output / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    for key, value in report.items():
        if key != "loss":
            print(f"{key:26} {value}")
    print(f"look at {output / 'sheet.png'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("out/demo"))
    parser.add_argument("--photos", type=Path, help="a folder of photos of one subject")
    parser.add_argument("--class-name", help="what the photos show, in a word: dog, cat, mug")
    parser.add_argument("--bundle", type=Path, help="use this bundle instead of exporting one")
    args = parser.parse_args()
    if (args.photos is None) != (args.class_name is None):
        parser.error("--photos and --class-name go together: make demo PHOTOS=my-photos CLASS=dog")
    try:
        run(args)
    except (LikenessError, FileNotFoundError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    return 0


if __name__ == "__main__":
    sys.exit(main())
