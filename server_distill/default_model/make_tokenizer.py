"""Make the default model's tokenizer: CLIP's byte-pair encoding with merges learned on the captions' own words.

    python -m server_distill.default_model.make_tokenizer --output out/train/tokenizer

Every word of the caption templates ends up as one token; any other text still has an encoding, byte by byte.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from server_distill.default_model.backgrounds import PAINTERS, PREPOSITIONS
from server_distill.default_model.objects import read_catalogue

MAX_LENGTH = 24
SPECIAL = ("<|startoftext|>", "<|endoftext|>")
TEMPLATE_WORDS = [
    "a",
    "an",
    "the",
    "photo",
    "picture",
    "of",
    "on",
    "in",
    "to",
    "left",
    "right",
    "small",
    "big",
    "mirrored",
    ",",
    ".",
    "far",
    "away",
    "zoomed",
    "close",
    "up",
    "very",
]
COMMON_WORDS = [
    "my",
    "your",
    "and",
    "with",
    "is",
    "at",
    "near",
    "under",
    "over",
    "one",
    "two",
    "three",
    "cute",
    "happy",
    "old",
    "new",
    "little",
    "large",
    "animal",
    "object",
    "toy",
    "thing",
    "kitten",
    "puppy",
    "bird",
    "flower",
    "tree",
    "car",
    "bucket",
    "box",
    "hat",
    "beach",
    "garden",
    "street",
    "kitchen",
    "city",
    "mountain",
    "river",
    "rain",
    "drawing",
    "painting",
    "portrait",
    "background",
    "standing",
    "sitting",
    "sleeping",
    "running",
    "eating",
    "flying",
    "photo-realistic",
]


def caption_words() -> list[str]:
    """Every word a caption can hold, and some that users will type."""
    words = [*TEMPLATE_WORDS, *COMMON_WORDS]
    for item in read_catalogue():
        words += f"{item.name} {item.class_name} {item.family}".split()
    for background in PAINTERS:
        words += f"{PREPOSITIONS.get(background, 'on')} {background}".split()
    return sorted({word.lower() for phrase in words for word in phrase.replace("-", " ").split()})


def learn_merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, in order, after which each word is one token (Sennrich et al. 2016)."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(vocab_size=100_000, end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator(words, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(merge) for merge in merges]  # type: ignore[misc]


def make_tokenizer(output: Path) -> CLIPTokenizer:
    """Write vocab.json, merges.txt and the configuration that transformers and diffusers read."""
    alphabet = list(bytes_to_unicode().values())
    merges = learn_merges(caption_words())
    entries = dict.fromkeys([*alphabet, *(c + "</w>" for c in alphabet), *("".join(m) for m in merges), *SPECIAL])
    vocabulary = {token: index for index, token in enumerate(entries)}
    output.mkdir(parents=True, exist_ok=True)
    tokenizer = CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        bos_token=SPECIAL[0],
        eos_token=SPECIAL[1],
        pad_token=SPECIAL[1],
        unk_token=SPECIAL[1],
        model_max_length=MAX_LENGTH,
    )
    tokenizer.save_pretrained(output)
    (output / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (output / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("out/train/tokenizer"))
    args = parser.parse_args()
    print(f"{len(make_tokenizer(args.output))} tokens in {args.output}")


if __name__ == "__main__":
    main()
