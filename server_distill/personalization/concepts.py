"""Concepts: what is to be learned, from which photos, under which prompt, and what class it belongs to."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from device_runtime import BadPhotoError, load_photo
from device_runtime.photos import find_photos


class PersonalizationError(ValueError):
    """A folder, file or setting can't be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Concept:
    """One subject. The class's images are needed with prior preservation only."""

    instance_prompt: str
    instance_data_dir: Path
    class_prompt: str | None = None
    class_data_dir: Path | None = None

    def class_word(self, tokens: Sequence[str]) -> str:
        """The last word of the class prompt, or of the instance prompt without `tokens`."""
        text = self.class_prompt or self.instance_prompt
        if text.endswith(".txt"):  # a file of captions
            text = self.instance_prompt
        words = [word for word in text.split() if word not in tokens]
        return words[-1] if words else ""


@dataclass(frozen=True)
class Example:
    """A picture (RGB, upright) and the text that goes with it."""

    picture: Image.Image
    prompt: str


FIELDS = tuple(Concept.__dataclass_fields__)


def read_concepts(args: argparse.Namespace) -> list[Concept]:
    """Those of `--concepts_list`, a JSON list of objects with the options' names, or the one that the options name.

    Raises PersonalizationError.
    """
    if args.concepts_list is None:
        return [_concept({name: getattr(args, name) for name in FIELDS}, args, "the command", "--")]
    path = Path(args.concepts_list)
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PersonalizationError(f"--concepts_list={path} can't be read as JSON: {error}") from error
    if not isinstance(listed, list) or not listed or not all(isinstance(item, dict) for item in listed):
        raise PersonalizationError(f"--concepts_list={path} should hold a list of objects with {', '.join(FIELDS)}")
    return [_concept(item, args, f"concept {i} of {path}") for i, item in enumerate(listed, 1)]


def _concept(values: Mapping[str, object], args: argparse.Namespace, where: str, dashes: str = "") -> Concept:
    needed = ["instance_data_dir", "instance_prompt"]
    if args.with_prior_preservation:
        needed += ["class_prompt", *([] if args.class_dataset_name else ["class_data_dir"])]
    for name in needed:
        if not values.get(name):
            raise PersonalizationError(f"{where} gives no {dashes}{name}")
    if unknown := [name for name in values if name not in FIELDS]:
        raise PersonalizationError(f"{where} has an unknown {unknown[0]!r}; known are {', '.join(FIELDS)}")
    if wrong := [name for name, value in values.items() if value is not None and not isinstance(value, str)]:
        raise PersonalizationError(f"{where}: {wrong[0]} should be a text")
    folder = values.get("class_data_dir")
    prompt = values.get("class_prompt")
    return Concept(
        str(values["instance_prompt"]),
        Path(str(values["instance_data_dir"])),
        None if prompt is None else str(prompt),
        Path(str(folder)) if folder else None,
    )


def check_prompts(concepts: Sequence[Concept], tokens: Sequence[str]) -> None:
    """Every prompt must name a new token, and every token be named. Raises PersonalizationError."""
    if not tokens:
        return
    for concept in concepts:
        if not any(token in concept.instance_prompt for token in tokens):
            raise PersonalizationError(
                f'the prompt "{concept.instance_prompt}" has none of the modifier tokens {", ".join(tokens)}: nothing '
                f'would be learned for them; write it like "photo of a {tokens[0]} cat"'
            )
    for token in tokens:
        if not any(token in concept.instance_prompt for concept in concepts):
            raise PersonalizationError(f"no instance prompt has the modifier token {token}: leave it out, or use it")


def read_instances(concepts: Iterable[Concept]) -> list[list[Example]]:
    """Each concept's photos. A broken one is named on standard error and left out.

    Raises PersonalizationError for a folder that does not exist or has no usable photo.
    """
    read = []
    for concept in concepts:
        folder = concept.instance_data_dir
        if not folder.is_dir():
            raise PersonalizationError(f"there is no folder {folder} with photos (--instance_data_dir)")
        paths = find_photos(folder)
        photos = [Example(photo, concept.instance_prompt) for photo in usable(paths)]
        if not photos:
            found = f"none of its {len(paths)} photos can be read" if paths else "no photos in it"
            raise PersonalizationError(f"{folder}: {found}; put some JPEG, PNG, HEIC or WebP files there")
        read.append(photos)
    return read


def usable(paths: Iterable[Path]) -> Iterator[Image.Image]:
    """The pictures that can be read, in order; the others are named on standard error, and counted at the end."""
    skipped = 0
    for path in paths:
        try:
            yield Image.fromarray(load_photo(path))
        except BadPhotoError as error:
            skipped += 1
            print(f"skipped: {path.parent}/{error}", file=sys.stderr)
    if skipped:
        print(f"{skipped} broken pictures were skipped", file=sys.stderr)


def class_name(concepts: Iterable[Concept]) -> str:
    """The class words that the adapter's file names, joined by `+`."""
    words = (c.class_prompt for c in concepts if c.class_prompt and not c.class_prompt.endswith(".txt"))
    return "+".join(dict.fromkeys(words))
