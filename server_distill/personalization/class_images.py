"""Class images for prior preservation (Kumari et al. 2023, section 3.2): real ones, or the model's own.

    a folder              pictures right there or in `images/`, each captioned with the class prompt
    images.txt in it      paths, a line each, captioned by the lines of caption.txt beside it (the layout of LAION's
                          former retrieval service)
    a text file           paths; the class prompt may name a text file of captions
    a data set            whatever `datasets` reads

Real ones are never fetched by themselves: too few is an error. Without `--real_prior`, the model draws what is missing.
"""

from __future__ import annotations

import argparse
import io
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import datasets
from PIL import Image, ImageOps

from device_runtime.photos import find_photos
from server_distill.data_sets.image_dataset import CAPTION_COLUMNS, DatasetError, open_dataset, picture_column
from server_distill.personalization.concepts import Concept, Example, PersonalizationError, usable
from server_distill.personalization.size_augmentation import shorter_side_to


@dataclass(frozen=True)
class Prior:
    """A concept's class images, `source` in words, and how many the model has yet to draw."""

    images: list[Example]
    source: str
    missing: int = 0


def find_prior(concept: Concept, args: argparse.Namespace) -> Prior:
    """The first `--num_class_images` that are there. Raises PersonalizationError where they are too few to go on."""
    wanted: int = args.num_class_images
    source, found = _source(concept, args)
    # No view shows more: scaled as they are read, hundreds of them fit memory.
    images = [
        Example(shorter_side_to(image.picture, args.resolution), image.prompt)
        for image in itertools.islice(found, wanted)
    ]
    missing = wanted - len(images)
    folder = concept.class_data_dir
    drawn = not args.real_prior and not args.class_dataset_name and folder is not None and not folder.is_file()
    if missing and not drawn:
        less = f"lower --num_class_images to {len(images)}" if images else "put some there"
        draw = (
            "drop --real_prior to let the model draw the missing ones"
            if args.real_prior and not args.class_dataset_name
            else "give a folder as --class_data_dir, without --real_prior, to let the model draw them"
        )
        raise PersonalizationError(
            f"{source}: {len(images)} usable class images, {wanted} are wanted; {less}, or {draw}"
        )
    return Prior(images, source, missing)


def _source(concept: Concept, args: argparse.Namespace) -> tuple[str, Iterator[Example]]:
    prompt = concept.class_prompt or ""
    if args.class_dataset_name:
        return f"data set {args.class_dataset_name}", _from_dataset(prompt, args)
    path = concept.class_data_dir
    assert path is not None  # read_concepts asks for one
    if path.is_file():
        return f"list {path}", _from_list(path, prompt)
    if (path / "images.txt").is_file():
        captions = path / "caption.txt"
        return f"list {path / 'images.txt'}", _from_list(
            path / "images.txt", str(captions) if captions.is_file() else prompt
        )
    if not path.is_dir():
        if args.real_prior:
            raise PersonalizationError(
                f"there is no {path} with real class images (--class_data_dir): put {args.num_class_images} there, or "
                "drop --real_prior to let the model draw them"
            )
        return f"folder {path}", iter(())
    folder = path / "images" if (path / "images").is_dir() else path
    return f"folder {folder}", (Example(picture, prompt) for picture in usable(find_photos(folder)))


def _from_list(path: Path, prompt: str) -> Iterator[Example]:
    """Paths as they are, else beside the list."""
    names = _lines(path)
    captions = _lines(Path(prompt)) if prompt.endswith(".txt") and Path(prompt).is_file() else [prompt] * len(names)
    if len(captions) != len(names):
        raise PersonalizationError(f"{path} has {len(names)} lines, its captions {prompt} {len(captions)}: one each")
    for name, caption in zip(names, captions, strict=True):
        places = (Path(name), path.parent / name, path.parent / "images" / Path(name).name)
        found = next((place for place in places if place.is_file()), places[0])
        for picture in usable([found]):
            yield Example(picture, caption)


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise PersonalizationError(f"{path} can't be read as text: {error}") from error


def _from_dataset(prompt: str, args: argparse.Namespace) -> Iterator[Example]:
    """Captions are the data set's own where `--class_caption_column` names some, or the class prompt."""
    try:
        data = open_dataset(args.class_dataset_name, args.class_dataset_config_name, cache=args.cache_dir)
        column = picture_column(data.features, args.class_image_column)
    except DatasetError as error:
        raise PersonalizationError(str(error)) from error
    captions = args.class_caption_column
    if captions is not None and captions not in (data.features or {}):
        raise PersonalizationError(
            f"there is no column {captions!r}; captions are usually in {', '.join(CAPTION_COLUMNS)}"
        )
    if isinstance(data.features.get(column), datasets.Image):
        data = data.cast_column(column, datasets.Image(decode=False))
    for number, row in enumerate(data):
        picture = _picture(row[column])
        if picture is None:
            print(f"skipped: picture {number} of {args.class_dataset_name} is damaged", file=sys.stderr)
        else:
            yield Example(picture, str(row[captions]) if captions else prompt)


def _picture(value: object) -> Image.Image | None:
    if isinstance(value, dict):
        value = value.get("bytes") or (Path(value["path"]).read_bytes() if value.get("path") else None)
    try:
        image = Image.open(io.BytesIO(value)) if isinstance(value, bytes) else None
        return None if image is None else ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return None


def record(concept: Concept, prior: Prior, args: argparse.Namespace) -> dict[str, object]:
    """What the output says about where the prior came from."""
    how = "real" if args.real_prior or args.class_dataset_name else "drawn by the model"
    return {
        "class_prompt": concept.class_prompt,
        "kind": how,
        "source": prior.source,
        "images": len(prior.images),
        "prior_loss_weight": args.prior_loss_weight,
    }
