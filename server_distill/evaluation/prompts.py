"""Prompts of an evaluation: a file's, or one of two built-in sets; `{}` stands for the subject.

The sets ask for what DreamBooth's evaluation asks for (Ruiz et al. 2023, section 4.1: new places, another thing beside
the subject, changed properties; for animals also clothes), in words of our own: scores on them compare runs on these
sets with one another, never with published figures.
"""

from __future__ import annotations

import re
from pathlib import Path

from server_distill.default_model.scenes import with_article
from server_distill.evaluation.error import EvaluationError

_PLACES = (
    "a photo of a {} on wet sand by the sea",
    "a photo of a {} in deep snow",
    "a photo of a {} on a forest path",
    "a photo of a {} in tall grass",
    "a photo of a {} on a kitchen table",
    "a photo of a {} under a street lamp at night",
    "a photo of a {} on a rooftop above a city",
    "a photo of a {} in front of a brick wall",
    "a photo of a {} in a field of flowers",
    "a photo of a {} in a desert at sunset",
)
_BESIDE = (
    "a photo of a {} beside a red bucket",
    "a photo of a {} with a bicycle behind it",
    "a photo of a {} on top of a pile of books",
    "a photo of a {} with a snowy mountain behind it",
    "a photo of a {} next to a burning candle",
)
PROMPT_SETS: dict[str, tuple[str, ...]] = {
    "dreambench-objects": (
        *_PLACES,
        *_BESIDE,
        "a photo of a {} floating on a pond",
        "a photo of a {} in a shop window",
        "a photo of a {} on a velvet cushion",
        "a photo of a {} on a mossy stone",
        "a photo of a {} held in two hands",
        "a photo of a red {}",
        "a photo of a {} made of glass",
        "a photo of a {} covered in fur",
        "a photo of a shiny golden {}",
        "a photo of a very small {} on a coin",
    ),
    "dreambench-live": (
        *_PLACES,
        *_BESIDE,
        "a photo of a {} wearing a woolen scarf",
        "a photo of a {} wearing round glasses",
        "a photo of a {} in a yellow raincoat",
        "a photo of a {} with a paper crown",
        "a photo of a {} dressed as a cook",
        "a photo of a sleeping {}",
        "a photo of a wet {}",
        "a photo of a purple {}",
        "a photo of a {} carved from wood",
        "a photo of a {} as a knitted toy",
    ),
}

SUBJECT = "{}"
TOKEN = re.compile(r"<[^<>\s]+>")
"""How modifier tokens are written: `<new1>`."""


def read_prompts(path: Path) -> list[str]:
    """Templates of a UTF-8 text file, a line each, without empty and repeated ones. Raises EvaluationError."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"prompts {path}: {error}") from error
    templates = list(dict.fromkeys(line for line in lines if line))
    if not templates:
        raise EvaluationError(f"{path} holds no prompt: write one a line, {SUBJECT} stands for the subject")
    return templates


def fill(template: str, subject: str) -> str:
    """The prompt for `subject`: "a {}" is "an owl" and "a <new1> owl"."""
    return re.sub(r"\ba \{\}", lambda _: with_article(subject), template).replace(SUBJECT, subject)


def class_text(template: str, class_name: str) -> str:
    """The prompt without learned words, for a network that never learned them (so DreamBooth, Custom Diffusion)."""
    return re.sub(rf"{TOKEN.pattern}\s*", "", fill(template, class_name)).strip()


def subject_words(tokens: list[str], class_name: str) -> str:
    """What to call a learned subject: "<new1> cat"."""
    return " ".join([*tokens, *([class_name] if class_name else [])])


def class_of(subject: str, tokens: list[str]) -> str:
    """The plain words of a subject: "cat" of "<new1> cat"."""
    return " ".join(word for word in subject.split() if word not in tokens and not TOKEN.fullmatch(word))
