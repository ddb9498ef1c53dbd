"""Write the Unicode tables the C++ tokenizer needs: make_unicode_tables.py OUTPUT.inc

The tokenizer has to agree with Hugging Face's `tokenizers` 0.23 code point by code point, and that
library mixes three versions of Unicode: its NFC is Unicode 9, its regular expressions (\\p{L},
\\p{N}, \\s) are Unicode 16, its lower-casing is Unicode 17. Python's `unicodedata` is yet another
one (14 in Python 3.11, 16 in 3.14). So the tables start from what every supported Python agrees on,
which is Unicode 14, and the differences are listed here by code point. The output is the same file
on every Python from 3.11 on; tests/test_core_tokenizer.py compares every code point with
`tokenizers`.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

OLDEST_UNICODE = 14
NEWEST_UNICODE = 18  # the newest whose additions are in ASSIGNED_AFTER_14

# Code points newer than Unicode 14 that are letters or numbers, or matter to normalization, in
# any version up to NEWEST_UNICODE: whatever this Python says about them is ignored.
ASSIGNED_AFTER_14 = """
    558 58B-58C 5C8-5C9 88F 897 C5C CDC 1ACF-1AF0 1C89-1C8A 208F 209D-209F A7CB-A7CF A7D2 A7D4
    A7DA-A7DD A7E2 A7F1 AB6C-AB6D 105C0-105F3 107BB-107BF 10940-10959 10D40-10D65 10D69-10D6D
    10D6F-10D85 10EC2-10EC7 10ECB-10ECF 10ED9-10EEE 10EF0-10EFB 10EFD-10EFF 1123F-11240
    11380-11389 1138B 1138E 11390-113B5 113B7 113C5 113C7-113C8 113CE-113D1 113D3 116D0-116E3
    11B0A 11BC0-11BE0 11BF0-11BF9 11DB0-11DDB 11DE0-11DE9 11DF1 11F02 11F04-11F10 11F12-11F33
    11F41-11F42 11F50-11F59 1246F 12475-1247F 12550-12686 1342F 13441-13446 13460-143FA
    16100-1611D 16121-16128 1612F-16139 16D40-16D6C 16D70-16D79 16EA0-16EB8 16EBB-16ED3
    16FF2-16FF6 187F8-187FF 18CD6-18CDA 18CFF 18D09-18D20 18D80-18DF2 18E00-19191 191A0-191D2
    1B123-1B128 1B132 1B155 1B168 1CCF0-1CCF9 1D127-1D128 1D250-1D252 1D25B-1D25C 1D25F
    1D280-1D281 1D2C0-1D2D3 1D6A6 1DF1F-1DF81 1DF90-1DF96 1DFCD-1DFFF 1E030-1E06D 1E08F
    1E4D0-1E4F9 1E5D0-1E5FA 1E6C0-1E6DE 1E6E0-1E6F5 1E6FE-1E6FF 2B739-2B73F 2B81E 2CEA2-2CEAD
    2EBF0-2EE5D 31350-33479 3D000-3FC3F
"""

# \p{L} and \p{N} that Unicode 15 and 16 added.
LETTERS_AFTER_14 = """
    1C89-1C8A A7CB-A7CD A7DA-A7DC 105C0-105F3 10D4A-10D65 10D6F-10D85 10EC2-10EC4 1123F-11240
    11380-11389 1138B 1138E 11390-113B5 113B7 113D1 113D3 11BC0-11BE0 11F02 11F04-11F10
    11F12-11F33 1342F 13441-13446 13460-143FA 16100-1611D 16D40-16D6C 18CFF 1B132 1B155
    1DF25-1DF2A 1E030-1E06D 1E4D0-1E4EB 1E5D0-1E5ED 1E5F0 2B739 2EBF0-2EE5D 31350-323AF
"""
NUMBERS_AFTER_14 = """
    10D40-10D49 116D0-116E3 11BF0-11BF9 11F50-11F59 16130-16139 16D70-16D79 1CCF0-1CCF9
    1D2C0-1D2D3 1E4F0-1E4F9 1E5F1-1E5FA
"""

# Lower-case mappings that Unicode 15 to 17 added: first and last upper-case letter, first lower.
LOWERCASE_AFTER_14 = (
    (0x1C89, 0x1C89, 0x1C8A),
    (0xA7CB, 0xA7CB, 0x0264),
    (0xA7CC, 0xA7CC, 0xA7CD),
    (0xA7CE, 0xA7CE, 0xA7CF),
    (0xA7D2, 0xA7D2, 0xA7D3),
    (0xA7D4, 0xA7D4, 0xA7D5),
    (0xA7DA, 0xA7DA, 0xA7DB),
    (0xA7DC, 0xA7DC, 0x019B),
    (0x10D50, 0x10D65, 0x10D70),
    (0x16EA0, 0x16EB8, 0x16EBB),
)

# Combining marks (and one composition, 11938) of Unicode 10 to 14, which a Unicode 9 NFC treats
# like unassigned code points: it neither reorders nor composes them.
NORMALIZATION_AFTER_9 = """
    7FD 898-89F 8CA-8D3 9FE C3C D3B-D3C EBA 1715 1ABF-1ACE 1DF6-1DFA A82C 10D24-10D27 10EAB-10EAC
    10F46-10F50 10F82-10F85 11070 1133B 1145E 11839-1183A 11938 1193D-1193E 11943 119E0 11A34
    11A47 11A99 11D42 11D44-11D45 11D97 16FF0-16FF1 1E130-1E136 1E2AE 1E2EC-1E2EF
"""

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def parse(ranges: str) -> frozenset[int]:
    """The code points of "A-B C ...", hexadecimal."""
    found: set[int] = set()
    for item in ranges.split():
        first, _, last = item.partition("-")
        found.update(range(int(first, 16), int(last or first, 16) + 1))
    return frozenset(found)


UNKNOWN = parse(ASSIGNED_AFTER_14)
NOT_NORMALIZED = UNKNOWN | parse(NORMALIZATION_AFTER_9)


def in_category(initial: str, added: str) -> list[int]:
    """Code points of a major category ("L", "N") in Unicode 16."""
    more = parse(added)
    return [c for c in CODE_POINTS if c in more or (c not in UNKNOWN and unicodedata.category(chr(c))[0] == initial)]


def white_space() -> list[int]:
    """Unicode's White_Space, which is str.isspace() without the four ASCII separators."""
    return [c for c in CODE_POINTS if chr(c).isspace() and not 0x1C <= c <= 0x1F]


def lower_case() -> dict[int, str]:
    """Code points whose lower case differs. One of them (0130) becomes two code points."""
    table = {c: chr(c).lower() for c in CODE_POINTS if c not in UNKNOWN and chr(c).lower() != chr(c)}
    for first, last, lower in LOWERCASE_AFTER_14:
        table.update({c: chr(c - first + lower) for c in range(first, last + 1)})
    return dict(sorted(table.items()))


def combining_class(c: int) -> int:
    """Canonical combining class in Unicode 9."""
    return 0 if c in NOT_NORMALIZED else unicodedata.combining(chr(c))


def decompositions() -> dict[int, tuple[int, ...]]:
    """Canonical decompositions, one level deep, without Hangul (which is arithmetic)."""
    table = {}
    for c in CODE_POINTS:
        fields = unicodedata.decomposition(chr(c)).split()
        hangul = 0xAC00 <= c <= 0xD7A3
        if fields and not fields[0].startswith("<") and not hangul and c not in NOT_NORMALIZED:
            table[c] = tuple(int(field, 16) for field in fields)
    return table


def full_decomposition(c: int, table: dict[int, tuple[int, ...]]) -> list[int]:
    """Applied until nothing decomposes any more."""
    return [x for part in table[c] for x in full_decomposition(part, table)] if c in table else [c]


def compositions(table: dict[int, tuple[int, ...]]) -> list[tuple[int, int, int]]:
    """(first, second, composed), without the pairs Unicode excludes from composition."""
    pairs = [(*parts, c) for c, parts in table.items() if len(parts) == 2]
    return sorted(p for p in pairs if unicodedata.normalize("NFC", chr(p[0]) + chr(p[1])) == chr(p[2]))


def runs(points: Iterable[int], value: Callable[[int], int]) -> Iterator[tuple[int, int, int]]:
    """(first, last, value) for neighbouring code points of equal value."""
    first = last = -2
    for c in points:
        if c == last + 1 and value(c) == value(first):
            last = c
            continue
        if first >= 0:
            yield first, last, value(first)
        first = last = c
    if first >= 0:
        yield first, last, value(first)


def rows(name: str, kind: str, values: Iterable[tuple[int, ...]]) -> str:
    """A C++ array of `kind`."""
    body = "".join("    {" + ", ".join(f"0x{v:X}" for v in row) + "},\n" for row in values)
    return f"constexpr {kind} {name}[] = {{\n{body}}};\n"


def tables() -> str:
    """The whole include file."""
    decomposed = decompositions()
    pool: list[int] = []
    entries = []
    for c in decomposed:
        full = full_decomposition(c, decomposed)
        entries.append((c, len(pool), len(full)))
        pool += full
    marks = [c for c in CODE_POINTS if combining_class(c)]
    letters = in_category("L", LETTERS_AFTER_14)
    numbers = in_category("N", NUMBERS_AFTER_14)
    lower = [(c, ord(text[0]), ord(text[1]) if len(text) > 1 else 0) for c, text in lower_case().items()]
    parts = [
        "// Generated by tools/make_unicode_tables.py. Sorted by first code point.\n",
        rows("kLetters", "Range", ((a, b) for a, b, _ in runs(letters, lambda _: 0))),
        rows("kNumbers", "Range", ((a, b) for a, b, _ in runs(numbers, lambda _: 0))),
        rows("kWhiteSpace", "Range", ((a, b) for a, b, _ in runs(white_space(), lambda _: 0))),
        rows("kLowerCase", "LowerCase", lower),
        rows("kCombiningClasses", "CombiningClass", runs(marks, combining_class)),
        rows("kDecompositions", "Decomposition", entries),
        "constexpr char32_t kDecompositionPool[] = {\n    " + ",\n    ".join(f"0x{c:X}" for c in pool) + "};\n",
        rows("kCompositions", "Composition", compositions(decomposed)),
    ]
    return "\n".join(parts)


def main() -> None:
    """Check that this Python's Unicode is one the lists above know, and write the file."""
    version = int(unicodedata.unidata_version.split(".")[0])
    if not OLDEST_UNICODE <= version <= NEWEST_UNICODE:
        sys.exit(
            f"This Python has Unicode {unicodedata.unidata_version}; the tables are known for "
            f"{OLDEST_UNICODE} to {NEWEST_UNICODE}. Use Python 3.11 or a later one."
        )
    output = Path(sys.argv[1])
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(tables(), encoding="ascii")


if __name__ == "__main__":
    main()
