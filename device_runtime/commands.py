"""What the command line does: personalize, generate, merge, info. Messages go to stderr, results to stdout."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from device_runtime.engine import Adapter, Engine
from device_runtime.errors import BadPhotoError, CancelledError, LikenessError
from device_runtime.photos import find_photos, load_photo
from device_runtime.session import Plan, Progress, Session

MEGABYTE = 1e6


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def open_engine(args: argparse.Namespace) -> Engine:
    return Engine(
        args.bundle,
        verify_hashes=not args.skip_hash_check,
        threads=args.threads,
        memory_limit_bytes=int(args.memory_limit * MEGABYTE),
    )


# personalize ---------------------------------------------------------------------------------------


def add_photos(session: Session, folder: Path) -> None:
    """Every usable photo of `folder`; others are named and skipped. Raises BadPhotoError if none is left."""
    if not folder.is_dir():
        raise BadPhotoError(f"{folder} is not a folder; --photos names a folder of pictures")
    paths = find_photos(folder)
    used = 0
    for path in paths:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                pixels = load_photo(path)
            session.add_photo(pixels)
            used += 1
            for warning in caught:
                say(f"note: {warning.message}")
        except BadPhotoError as error:
            say(f"skipped: {error}")
    if used == 0:
        what = "could be used" if paths else "was found (jpg, png, heic, webp and the like)"
        raise BadPhotoError(f"{folder}: none of {len(paths)} files {what}; add photos of your subject")
    say(f"{used} photos used" + (f", {len(paths) - used} skipped" if used < len(paths) else ""))


def show_plan(plan: Plan) -> None:
    say(
        f"{plan.photos} photos, {plan.views} views, {plan.steps} steps"
        + (f" ({plan.steps_done} done)" if plan.steps_done else "")
        + f", {plan.instance_rows} + {plan.prior_rows} rows a step"
    )
    if plan.prior_class == "*":
        say("the bundle has no prior for this class; those of all its classes are used together")
    say(
        f"needs about {plan.memory_bytes / MEGABYTE:.0f} MB of memory"
        + (" (programs are loaded in turn)" if plan.staged else "")
        + f", {plan.journal_bytes / MEGABYTE:.1f} MB of storage while it runs"
    )


def open_session(engine: Engine, args: argparse.Namespace) -> Session:
    """The journal's session if there is one, else a new one with the photos."""
    if args.journal is not None and Session.can_resume(args.journal):
        session = Session.resume(engine, args.journal)
        say(f"going on with the session in {args.journal}; its settings stay as they were")
        return session
    changes: dict[str, Any] = {
        name: value
        for name in (
            "token",
            "adapter_kind",
            "seed",
            "steps",
            "views",
            "optimizer",
            "learning_rate",
            "modifier_learning_rate",
            "prior_loss_weight",
            "prior_text_weight",
            "fine_timesteps",
            "checkpoint_every",
            "preview_every",
            "preview_prompt",
            "caption_places",
        )
        if (value := getattr(args, name)) is not None
    }
    settings = engine.train_settings(class_name=args.class_name, **changes)
    session = Session.create(engine, settings, None if args.dry_run else args.journal)
    try:
        add_photos(session, args.photos)
    except BaseException:
        session.close()
        raise
    return session


def run_session(session: Session, output: Path) -> None:
    """Train with a progress bar; previews are written beside `output`."""
    bars: dict[str, tqdm[Any]] = {}

    def on_progress(p: Progress) -> None:
        if p.phase not in bars:
            initial = p.step - 1
            bars[p.phase] = tqdm(total=p.steps, initial=initial, desc=p.phase, unit=p.phase[:5], disable=None)
        bar = bars[p.phase]
        bar.update(p.step - bar.n)
        if p.phase == "training":
            bar.set_postfix(loss=f"{p.loss:.4f}")

    def on_preview(step: int, pixels: np.ndarray[Any, Any]) -> None:
        Image.fromarray(pixels).save(output.with_suffix(f".step{step:05d}.png"))

    try:
        session.run(on_progress, on_preview)
    finally:
        for bar in bars.values():
            bar.close()


def personalize(args: argparse.Namespace) -> int:
    with open_engine(args) as engine, open_session(engine, args) as session:
        plan = session.plan
        show_plan(plan)
        if args.dry_run:
            return 0
        if not args.output.parent.is_dir():
            raise LikenessError(f"the folder {args.output.parent} does not exist; make it first")
        try:
            run_session(session, args.output)
        except (KeyboardInterrupt, CancelledError):
            if args.journal is not None:
                say(f"interrupted; the same command goes on from {args.journal}")
            return 130
        session.save_adapter(args.output)
    print(args.output)
    return 0


# generate ------------------------------------------------------------------------------------------


def contact_sheet(pictures: np.ndarray[Any, Any]) -> Image.Image:
    """(count, h, w, 3) side by side in a near-square grid."""
    count, height, width, _ = pictures.shape
    columns = math.ceil(math.sqrt(count))
    sheet = Image.new("RGB", (columns * width, math.ceil(count / columns) * height), "white")
    for i, picture in enumerate(pictures):
        sheet.paste(Image.fromarray(picture), (i % columns * width, i // columns * height))
    return sheet


def write_pictures(pictures: np.ndarray[Any, Any], output: Path, prompt: str, seed: int) -> None:
    """One sheet for a name that ends like a picture's, else a folder of single pictures."""
    if output.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
        contact_sheet(pictures).save(output)
        print(output)
        return
    output.mkdir(parents=True, exist_ok=True)
    words = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:60] or "picture"
    for i, picture in enumerate(pictures):
        path = output / f"{words}-seed{seed}-{i}.png"
        Image.fromarray(picture).save(path)
        print(path)


def generate(args: argparse.Namespace) -> int:
    with open_engine(args) as engine:
        adapter: Adapter | None = engine.load_adapter(args.adapter) if args.adapter else None
        names = ("negative_prompt", "seed", "count", "steps", "guidance_scale", "sampler")
        changes = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
        with tqdm(desc="painting", unit="call", disable=None) as bar:

            def on_progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            pictures = engine.generate(args.prompt, adapter, on_progress, **changes)
        if adapter is not None:
            adapter.close()
    write_pictures(pictures, args.output, args.prompt, args.seed or 0)
    return 0


# merge ---------------------------------------------------------------------------------------------


def merge(args: argparse.Namespace) -> int:
    with open_engine(args) as engine, contextlib.ExitStack() as stack:
        adapters = [stack.enter_context(engine.load_adapter(path)) for path in args.adapters]
        engine.merge_adapters(adapters, args.output)
        with engine.load_adapter(args.output) as merged:
            say(f"knows {', '.join(merged.info['modifier_tokens'])}")
    print(args.output)
    return 0


# info ----------------------------------------------------------------------------------------------


def adapter_file_info(path: Path) -> dict[str, Any]:
    """Metadata and tensors of an adapter file, read without a bundle."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > 16 << 20:
                raise ValueError("its header is too long")
            header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        if metadata.get("format") != "likeness-adapter":
            raise ValueError("its metadata does not say likeness-adapter")
        for key in ("training", "modifier_tokens"):
            metadata[key] = json.loads(metadata.get(key, "null"))
        tensors = {name: {"dtype": t["dtype"], "shape": t["shape"]} for name, t in header.items()}
    except OSError as error:
        raise LikenessError(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LikenessError(f"{path} is no adapter file: {error}") from error
    return {**metadata, "tensors": tensors}


def info(args: argparse.Namespace) -> int:
    shown: dict[str, Any] = {}
    if args.bundle is not None:
        with open_engine(args) as engine:
            shown["bundle"] = engine.info
            if args.adapter is not None:
                with engine.load_adapter(args.adapter) as adapter:
                    shown["adapter"] = adapter.info
    elif args.adapter is not None:
        shown["adapter"] = adapter_file_info(args.adapter)
    else:
        raise LikenessError("name something with --bundle or --adapter")
    print(json.dumps(shown[next(iter(shown))] if len(shown) == 1 else shown, indent=2, ensure_ascii=False))
    return 0
