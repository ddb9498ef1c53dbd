"""The C++ tokenizer gives the ids of transformers' CLIPTokenizer, for any text and any bytes."""

from __future__ import annotations

import ctypes
import json
import random
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from core_tokenizer_oracle import BOS, EOS, CoreTokenizer, Vocabulary, every_script, train
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, normalizers, pre_tokenizers
from transformers import CLIPTokenizer

CORPUS = [
    "a photo of a cat in a bucket, don't you'll we've i'm they're it's he'd 2024 <3",
    "zoomed in painting of the dog; a very small, far away oil-on-canvas cat!!! ... ???",
    "Ein Foto von einer Katze, größer als ein Haus. Été à la plage. ¿Qué? İstanbul Ωμέγα ΟΔΟΣ",
    "фотография собаки на пляже, 猫の写真です。 고양이 사진 صورة قطة תמונה של חתול बिल्ली की तस्वीर",
    "🐈‍⬛ 👩‍👩‍👧‍👦 🇩🇪 ☃️ ½ Ⅻ ٣ ₤ ﬁ ǆ Å e\u0301 \u1100\u1161\u11a8",
]
SNIPPETS = [
    *("<dog>", "<DOG>", "<dog", "<sks-cat>", "<do<dog>g>", "<dog><dog>", BOS, EOS, BOS.upper()),
    *("<|EndOfText|>!!", "!<|ENDOFTEXT|>", "'s", "'S", "''s", "'LL", "'ve'd", "don't", "x'", "!!!"),
    *("\0", "\t\n", "\u00a0", "\u2028", "\u3000", "\u200b", "\ufeff", "\x1c", "\x85", "\ufffd"),
    *("e\u0301", "\u0345\u0301", "\u1100\u1161", "\uac00\u11a8", "ﬁ", "İ", "Σ", "ǅ", "ß", "ẞ"),
    *("👍🏽", "👩‍🚀", "🇫🇷", "\U000e0041", "\U0010ffff", "１２", "½", "٣", "Ⅷ", "〇"),
]
TEXT = st.lists(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=8), st.sampled_from(CORPUS)), max_size=8).map(
    "".join
)
BYTES = st.lists(
    st.one_of(
        st.binary(max_size=6),
        TEXT.map(str.encode),
        st.sampled_from([b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80", b"\xf0\x9f\x90", b"\xc0"]),
    ),
    max_size=6,
).map(b"".join)


@pytest.fixture(scope="module", params=["complete", "gaps"])
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    """With CLIP's whole byte alphabet, and with bytes missing."""
    return train(CORPUS + every_script()[::3], 1500, request.param == "complete")


@pytest.fixture(scope="module")
def pair(
    vocabulary: Vocabulary, testing_library: ctypes.CDLL, tmp_path_factory: pytest.TempPathFactory
) -> tuple[CoreTokenizer, CLIPTokenizer]:
    """Ours and theirs, with the same two modifier tokens."""
    ours = CoreTokenizer.of(testing_library, vocabulary)
    theirs = vocabulary.reference(tmp_path_factory.mktemp("clip"))
    theirs.add_tokens(["<dog>", "<SKS-Cat>"])
    assert ours.add_token("<dog>") == theirs.convert_tokens_to_ids("<dog>") == len(vocabulary.tokens)
    assert ours.add_token("<SKS-Cat>") == theirs.convert_tokens_to_ids("<SKS-Cat>")
    return ours, theirs


def compare(pair: tuple[CoreTokenizer, CLIPTokenizer], text: str | bytes) -> None:
    ours, theirs = pair
    decoded = text if isinstance(text, str) else text.decode("utf-8", "replace")
    expected = theirs(decoded, add_special_tokens=False)["input_ids"]
    assert ours.encode(text, raw=True) == expected, ascii(decoded)
    padded = theirs(decoded, truncation=True, padding="max_length", max_length=77)["input_ids"]
    assert ours.encode(text) == padded, ascii(decoded)


@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_any_text(pair: tuple[CoreTokenizer, CLIPTokenizer], text: str) -> None:
    compare(pair, text)


@settings(max_examples=300, deadline=None)
@given(BYTES)
def test_any_bytes(pair: tuple[CoreTokenizer, CLIPTokenizer], data: bytes) -> None:
    compare(pair, data)


def test_ten_thousand_strings_of_every_script(pair: tuple[CoreTokenizer, CLIPTokenizer]) -> None:
    ours, theirs = pair
    rng = random.Random(0)
    words = [*every_script(), *SNIPPETS, *CORPUS]
    texts = words + [rng.choice(["", " ", ", "]).join(rng.choices(words, k=rng.randint(1, 3))) for _ in range(10_000)]
    expected = theirs(texts, add_special_tokens=False)["input_ids"]
    wrong = [t for t, ids in zip(texts, expected, strict=True) if ours.encode(t, raw=True) != ids]
    assert len(texts) > 10_000 and not wrong, [ascii(t) for t in wrong[:5]]


def unicode_operation(library: ctypes.CDLL, data: bytes, operation: int) -> str:
    """Operation 0: decode, 1: NFC, 2: lower case."""
    count = library.lkt_unicode
    count.restype = ctypes.c_int64
    out = (ctypes.c_uint32 * (4 * len(data) + 4))()
    size = ctypes.c_size_t
    found = count(data, size(len(data)), operation, out, size(len(out)))
    return "".join(map(chr, out[:found]))


def test_every_code_point_has_the_reference_properties(testing_library: ctypes.CDLL) -> None:
    ours = np.zeros(0x110000, np.uint8)
    size = ctypes.c_size_t(ours.size)
    testing_library.lkt_unicode_classes(ours.ctypes.data_as(ctypes.c_void_p), size)
    points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    for bit, pattern in ((1, r"\p{L}"), (2, r"\p{N}"), (4, r"\s")):
        split = pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True)
        found = {c for c in points if split.pre_tokenize_str(chr(c))}
        assert found == {c for c in points if ours[c] & bit}, pattern
    lower = normalizers.Lowercase()
    for start in range(0, len(points), 4096):
        text = "".join(map(chr, points[start : start + 4096]))
        assert unicode_operation(testing_library, text.encode(), 2) == lower.normalize_str(text)


def test_every_code_point_normalizes_like_the_reference(testing_library: ctypes.CDLL) -> None:
    nfc = normalizers.NFC()
    points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    # Alone, decomposed, and between marks of other classes, which shows order and composition.
    frames = ["{}", "q\u0345{}\u0334", "q{}\u0334\u0301", "q\u0323\u0301{}", "\u1100{}", "\uac00{}"]
    for start in range(0, len(points), 512):
        letters = [chr(c) for c in points[start : start + 512]]
        text = "|".join(frame.format(c) for c in letters for frame in frames)
        text += "|".join(unicodedata.normalize("NFD", c) + "\u0301" for c in letters)
        assert unicode_operation(testing_library, text.encode(), 1) == nfc.normalize_str(text)


@settings(max_examples=1000, deadline=None)
@given(st.text(st.characters(categories=["Mn", "Mc", "Lu", "Lo"]), max_size=12))
def test_nfc_of_marks(testing_library: ctypes.CDLL, text: str) -> None:
    expected = normalizers.NFC().normalize_str(text)
    assert unicode_operation(testing_library, text.encode(), 1) == expected


@settings(max_examples=1000, deadline=None)
@given(st.one_of(st.binary(max_size=12), BYTES))
def test_malformed_bytes_decode_as_in_python(testing_library: ctypes.CDLL, data: bytes) -> None:
    assert unicode_operation(testing_library, data, 0) == data.decode("utf-8", "replace")


def test_all_pairs_of_bytes_decode_as_in_python(testing_library: ctypes.CDLL) -> None:
    lasts = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xED, 0xF4, 0xFF]
    for first in range(256):
        for second in range(256):
            data = b"".join(bytes([first, second, last]) for last in lasts)
            assert unicode_operation(testing_library, data, 0) == data.decode("utf-8", "replace")


@pytest.mark.parametrize("length", [2, 3, 8, 77])
def test_truncation_and_padding(
    vocabulary: Vocabulary, testing_library: ctypes.CDLL, tmp_path: Path, length: int
) -> None:
    pad = next(iter(vocabulary.tokens))  # not eos, as in Stable Diffusion 2
    ours = CoreTokenizer.of(testing_library, vocabulary, length, pad)
    theirs = vocabulary.reference(tmp_path, length, pad)
    for text in ["", "a cat", CORPUS[0] * 3, f"a {pad} b"]:
        expected = theirs(text, truncation=True, padding="max_length", max_length=length)["input_ids"]
        assert ours.encode(text) == expected and len(expected) == length


def test_long_words_take_no_more_than_their_share_of_time(
    pair: tuple[CoreTokenizer, CLIPTokenizer],
) -> None:
    ours, theirs = pair
    text = "cat" * 60_000  # quadratic merging would take minutes
    assert ours.encode(text, raw=True) == theirs(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("taken", ["", "<dog>", "<DOG>", EOS])
def test_modifier_tokens_must_be_new(vocabulary: Vocabulary, testing_library: ctypes.CDLL, taken: str) -> None:
    tokenizer = CoreTokenizer.of(testing_library, vocabulary)
    tokenizer.add_token("<dog>")
    with pytest.raises(ValueError, match=r"1: .*(in use|empty)"):
        tokenizer.add_token(taken)


@pytest.mark.parametrize(
    ("vocab", "merges", "message"),
    [
        (b"", b"", "not JSON"),
        (b'{"a":0', b"", "not JSON"),
        (b'{"\xff":0}', b"", "not JSON"),
        (b"[]", b"", "not an object"),
        (b"{}", b"", "not an object"),
        (b'{"a":1}', b"", "not between"),
        (b'{"a":-1}', b"", "not between"),
        (b'{"a":0.0}', b"", "not between"),
        (b'{"a":"0"}', b"", "not between"),
        (b'{"a":99999999999999999999}', b"", "not between"),
        (b'{"a":0,"b":0}', b"", "two tokens have the id 0"),
        (b'{"a":0,"b":1}', b"a b", 'needs "ab"'),
        (b'{"a":0,"b":1}', b"#version: 0.2\na x\n", 'line 2.*needs "x"'),
        (b'{"a":0,"b":1}', b"ab\n", "line 1.*not two tokens"),
        (b'{"a":0,"b":1}', b"a b c\n", "not two tokens"),
        (b'{"a":0,"b":1}', b"\n", "not two tokens"),
        (b'{"a":0}\0', b"", "zero byte"),
        (b'\xef\xbb\xbf{"a":0}', b"", "byte order mark"),
        (b'{"a":0,"a":1}', b"", '"a" twice'),
        (b"[" * 100_000, b"", "nested too deeply"),
        (b'{"a":' * 100_000, b"", "nested too deeply"),
    ],
)
def test_damaged_files_are_named(testing_library: ctypes.CDLL, vocab: bytes, merges: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^3: .*{message}"):
        CoreTokenizer(testing_library, vocab, merges)


def test_settings_outside_the_vocabulary(testing_library: ctypes.CDLL) -> None:
    for ids in [(1, 0, 0, 0), (0, -1, 0, 0), (0, 0, 5, 0), (0, 0, 0, 9)]:
        with pytest.raises(ValueError, match="^1: .*outside the vocabulary"):
            CoreTokenizer(testing_library, b'{"a":0}', b"", ids)
    with pytest.raises(ValueError, match="^1: .*max_length"):
        CoreTokenizer(testing_library, b'{"a":0}', b"", max_length=1)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=20), st.binary(max_size=30))
def test_any_files_give_a_tokenizer_or_an_error(
    testing_library: ctypes.CDLL, vocab: bytes, merges: bytes, text: bytes
) -> None:
    for data in (vocab, json.dumps({chr(97 + i): i for i in range(5)}).encode() + vocab[:1]):
        try:
            CoreTokenizer(testing_library, data, merges).encode(text)
        except ValueError as error:
            assert str(error).startswith(("1: ", "3: "))


def test_the_unicode_tables_do_not_depend_on_the_python_that_makes_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A newer unicodedata (simulated: it knows more letters, marks and cases) changes nothing."""
    tools = Path(__file__).resolve().parent.parent / "device_runtime" / "tools"
    monkeypatch.syspath_prepend(str(tools))
    import make_unicode_tables as tables

    expected = tables.tables()
    newer = tables.UNKNOWN
    category, combining = unicodedata.category, unicodedata.combining
    monkeypatch.setattr(tables.unicodedata, "category", lambda c: "Lo" if ord(c) in newer else category(c))
    monkeypatch.setattr(tables.unicodedata, "combining", lambda c: 230 if ord(c) in newer else combining(c))
    assert tables.tables() == expected
    sys.modules.pop("make_unicode_tables")
