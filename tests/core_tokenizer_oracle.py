"""The C++ tokenizer through ctypes, and small vocabularies for it and for transformers."""

from __future__ import annotations

import ctypes
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())


@dataclass(frozen=True)
class Vocabulary:
    """`tokens` to ids, and merges with the most important first."""

    tokens: dict[str, int]
    merges: list[tuple[str, str]]

    def files(self) -> tuple[bytes, bytes]:
        """vocab.json and merges.txt as `BPE.save` writes them."""
        lines = ["#version: 0.2", *(f"{left} {right}" for left, right in self.merges)]
        return json.dumps(self.tokens, ensure_ascii=False).encode(), "\n".join(lines).encode() + b"\n"

    def reference(self, folder: Path, max_length: int = 77, pad: str = EOS) -> CLIPTokenizer:
        """transformers' own tokenizer, loaded from those files."""
        vocab, merges = self.files()
        (folder / "vocab.json").write_bytes(vocab)
        (folder / "merges.txt").write_bytes(merges)
        return CLIPTokenizer.from_pretrained(folder, model_max_length=max_length, pad_token=pad)


def train(corpus: Sequence[str], size: int, complete: bool) -> Vocabulary:
    """A byte-pair vocabulary of about `size` tokens.

    complete: all 256 bytes with and without </w>, as in CLIP's own; otherwise only those the corpus
    has, so that unknown bytes occur.
    """
    trained = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        end_of_word_suffix="</w>",
        initial_alphabet=ALPHABET if complete else [],
        show_progress=False,
    )
    trained.train_from_iterator((text.lower() for text in corpus), trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    base = [*ALPHABET, *(letter + "</w>" for letter in ALPHABET)] if complete else []
    names = dict.fromkeys([*base, *model["vocab"], BOS, EOS])
    return Vocabulary({name: i for i, name in enumerate(names)}, merges)


class CoreTokenizer:
    """The C++ tokenizer. Errors become ValueError("<code>: <message>")."""

    def __init__(
        self,
        library: ctypes.CDLL,
        vocab: bytes,
        merges: bytes,
        ids: tuple[int, int, int, int] = (0, 0, 0, 0),
        max_length: int = 77,
    ) -> None:
        """ids: bos, eos, pad, unknown."""
        self._library = library
        self._handle = ctypes.c_void_p()
        self._check(
            library.lkt_tokenizer_new(
                vocab,
                ctypes.c_size_t(len(vocab)),
                merges,
                ctypes.c_size_t(len(merges)),
                (ctypes.c_int64 * 5)(*ids, max_length),
                ctypes.byref(self._handle),
            )
        )

    @classmethod
    def of(cls, library: ctypes.CDLL, vocabulary: Vocabulary, max_length: int = 77, pad: str = EOS) -> CoreTokenizer:
        """As `vocabulary.reference()`."""
        bos, eos, pad_id = (vocabulary.tokens[name] for name in (BOS, EOS, pad))
        return cls(library, *vocabulary.files(), (bos, eos, pad_id, eos), max_length)

    def __del__(self) -> None:
        if self._handle:
            self._library.lkt_tokenizer_delete(self._handle)

    def _check(self, code: int) -> None:
        if code != 0:
            message = self._library.lkt_error_message
            message.restype = ctypes.c_char_p
            raise ValueError(f"{code}: {message().decode()}")

    def add_token(self, token: str) -> int:
        """The new token's id."""
        found = ctypes.c_int64()
        data = token.encode()
        self._check(
            self._library.lkt_tokenizer_add_token(self._handle, data, ctypes.c_size_t(len(data)), ctypes.byref(found))
        )
        return found.value

    def encode(self, text: str | bytes, raw: bool = False) -> list[int]:
        """max_length ids, or with `raw` those of the text alone."""
        data = text if isinstance(text, bytes) else text.encode()
        encode = self._library.lkt_tokenizer_encode
        encode.restype = ctypes.c_int64
        # A byte is at most one id before normalization, and NFC of one code point is at most three.
        capacity = 4 * len(data) + 128
        ids = (ctypes.c_int64 * capacity)()
        size = ctypes.c_size_t(len(data))
        count = encode(self._handle, data, size, int(raw), ids, ctypes.c_size_t(capacity))
        assert count <= capacity
        return list(ids[:count])


def every_script() -> list[str]:
    """Short words and sentences from all over Unicode, 16 neighbouring code points each."""
    words = []
    for start in [*range(0, 0x3400, 16), *range(0xA000, 0xD800, 64), *range(0xF900, 0x20000, 16)]:
        letters = "".join(chr(c) for c in range(start, start + 16) if not 0xD800 <= c < 0xE000)
        words += [letters[:7], " ".join(letters), unicodedata.normalize("NFD", letters)]
    return words
