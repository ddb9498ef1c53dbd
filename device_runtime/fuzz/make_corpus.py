"""Write the seeds of the fuzz targets: make_corpus.py FOLDER (one subfolder a target).

Made with the reference libraries' own formats by hand, so that it needs only Python.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path


def safetensors_file(header: dict[str, object], data: bytes) -> bytes:
    """Header length, JSON header, data."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    """One header entry."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


SAFETENSORS = [
    safetensors_file({}, b""),
    safetensors_file({"__metadata__": {"kind": "full"}, "w": tensor("F32", [2, 1], 0, 8)}, bytes(8)),
    safetensors_file({"a": tensor("I64", [], 0, 8), "b": tensor("F16", [3], 8, 14)}, bytes(14)),
    safetensors_file({"e": tensor("F32", [0, 9], 0, 0), "\u00e9": tensor("F16", [1], 0, 2)}, bytes(2)),
]

TEXTS = [
    "a photo of a <dog>",
    "AB aba'S !!! e\u0301",
    "<|ENDOFTEXT|>!",
    "\u1100\u1161\u11a8 \U0001f408",
]
VOCABULARY = {"a": 0, "b": 1, "ab": 2, "a</w>": 3, "b</w>": 4, "ab</w>": 5}
# An even first byte means text, an odd one vocabulary and merges (see fuzz_tokenizer.cpp).
TOKENIZER = [b"\0" + text.encode() for text in TEXTS] + [
    b"\1" + json.dumps(VOCABULARY).encode() + b"\0#version: 0.2\na b\na b</w>\n",
    b"\0" + b"ab" * 40 + b"\xed\xa0\x80\xf0\x9f",
]

CORPORA = {"fuzz_safetensors": SAFETENSORS, "fuzz_tokenizer": TOKENIZER}


def main() -> None:
    """Write every seed as a numbered file."""
    for name, seeds in CORPORA.items():
        folder = Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (folder / f"{number:02d}").write_bytes(seed)


if __name__ == "__main__":
    main()
