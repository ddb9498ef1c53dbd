"""Deterministic maths, Philox randomness and learning-rate schedules of the C++ core."""

from __future__ import annotations

import ctypes
import math
from ctypes import c_double, c_float, c_int, c_int64, c_uint32, c_uint64, c_void_p
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers.optimization import get_scheduler
from hypothesis import given, settings
from hypothesis import strategies as st

INVALID_ARGUMENT = 1
WORD = st.integers(0, 2**32 - 1)
LONG = st.integers(0, 2**64 - 1)


@pytest.fixture(scope="module")
def core(testing_library: ctypes.CDLL) -> ctypes.CDLL:
    """The test library with the result and argument types that ctypes cannot guess."""
    lib = testing_library
    lib.lkt_portable_log.restype = lib.lkt_portable_power.restype = c_double
    lib.lkt_portable_log.argtypes = [c_double]
    lib.lkt_portable_power.argtypes = [c_double, c_int64]
    lib.lkt_portable_sine_cosine.argtypes = [c_double, c_void_p]
    lib.lkt_philox.argtypes = [c_void_p, c_void_p, c_void_p]
    lib.lkt_uniform.restype = lib.lkt_normal.restype = c_float
    lib.lkt_uniform.argtypes = lib.lkt_normal.argtypes = [c_uint64, c_int, c_uint64, c_uint64]
    lib.lkt_uniform_int.restype = c_uint32
    lib.lkt_uniform_int.argtypes = [c_uint64, c_int, c_uint64, c_uint64, c_uint32]
    lib.lkt_fill_normal.argtypes = [c_void_p, ctypes.c_size_t, c_uint64, c_int, c_uint64]
    lib.lkt_fill_normal.restype = None
    lib.lkt_permutation.argtypes = [c_void_p, c_uint32, c_uint64, c_int, c_uint64]
    lib.lkt_permutation.restype = None
    lib.lkt_lr_factor.argtypes = [ctypes.c_char_p, c_int64, c_int64, c_int64, c_void_p]
    return lib


def philox(core: ctypes.CDLL, counter: list[int], key: list[int]) -> list[int]:
    """Four output words of the core's block function."""
    out = (c_uint32 * 4)()
    core.lkt_philox((c_uint32 * 4)(*counter), (c_uint32 * 2)(*key), out)
    return list(out)


def philox_reference(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 written from the paper's equations in Python's unbounded integers."""
    left0, right0, left1, right1 = counter[0], counter[1], counter[2], counter[3]
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * left0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * left1, 2**32)
        left0, right0, left1, right1 = high1 ^ right0 ^ k0, low1, high0 ^ right1 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return [left0, right0, left1, right1]


def normals(core: ctypes.CDLL, count: int, seed: int, stream: int = 0, step: int = 0) -> npt.NDArray[np.float32]:
    """`count` standard normals."""
    values = np.full(count, np.nan, np.float32)
    core.lkt_fill_normal(values.ctypes.data, count, seed, stream, step)
    return values


# Random123's kat_vectors, generator philox4x32, 10 rounds: counter, key, output.
@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("00000000 " * 4, "00000000 " * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff " * 4, "ffffffff " * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            "243f6a88 85a308d3 13198a2e 03707344",
            "a4093822 299f31d0",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_known_answers(core: ctypes.CDLL, counter: str, key: str, expected: str) -> None:
    words = [[int(word, 16) for word in text.split()] for text in (counter, key, expected)]
    assert philox(core, words[0], words[1]) == words[2]


@given(st.lists(WORD, min_size=4, max_size=4), st.lists(WORD, min_size=2, max_size=2))
def test_philox_equals_reference(core: ctypes.CDLL, counter: list[int], key: list[int]) -> None:
    assert philox(core, counter, key) == philox_reference(counter, key)


@given(LONG, st.integers(0, 7), LONG, st.integers(0, 2**33 - 1), st.integers(1, 2**32 - 1))
def test_draws_are_what_the_counter_says(
    core: ctypes.CDLL, seed: int, stream: int, step: int, index: int, bound: int
) -> None:
    """The layout of counter and key is a promise: journalled sessions depend on it."""
    key = [seed % 2**32, seed >> 32]

    def block(kind: int, number: int) -> list[int]:
        return philox_reference([number, stream | kind << 16, step % 2**32, step >> 32], key)

    word = block(0, index // 4)[index % 4]
    assert core.lkt_uniform(seed, stream, step, index) == (word >> 8) / 2**24

    pair = block(1, index // 4)[index % 4 // 2 * 2 :][:2]
    radius = math.sqrt(-2 * math.log((pair[0] + 1) / 2**32))
    angle = 2 * math.pi * pair[1] / 2**32
    expected = radius * (math.sin(angle) if index % 2 else math.cos(angle))
    # Half an ulp of float, plus the rounding of 2 pi * u in libm's argument near a zero.
    assert core.lkt_normal(seed, stream, step, index) == pytest.approx(expected, rel=6e-8, abs=1e-14)

    low, high = block(2, index // 2)[index % 2 * 2 :][:2]
    assert core.lkt_uniform_int(seed, stream, step, index, bound) == ((high << 32 | low) * bound) >> 64


@given(st.integers(0, 70), LONG, st.integers(0, 7), LONG)
def test_fill_normal_equals_single_draws(core: ctypes.CDLL, count: int, seed: int, stream: int, step: int) -> None:
    single = [core.lkt_normal(seed, stream, step, i) for i in range(count)]
    assert normals(core, count, seed, stream, step).tolist() == single


def test_normals_are_normal(core: ctypes.CDLL) -> None:
    values = normals(core, 400_000, seed=7).astype(np.float64)
    # Five standard errors of the respective moment for 400,000 draws.
    n = math.sqrt(len(values))
    assert abs(values.mean()) < 5 / n
    assert abs(values.var() - 1) < 5 * math.sqrt(2) / n
    assert abs((values**3).mean()) < 5 * math.sqrt(15) / n
    assert abs((values**4).mean() - 3) < 5 * math.sqrt(96) / n
    quantiles = [math.erf(x / math.sqrt(2)) for x in (0.5, 1.0, 2.0, 3.0)]
    for x, inside in zip((0.5, 1.0, 2.0, 3.0), quantiles, strict=True):
        assert abs((abs(values) < x).mean() - inside) < 5 * 0.5 / n
    pairs = values.reshape(-1, 2)
    assert abs((pairs[:, 0] * pairs[:, 1]).mean()) < 5 / math.sqrt(len(pairs))


def test_streams_steps_and_seeds_differ(core: ctypes.CDLL) -> None:
    draws = [normals(core, 1000, 1), normals(core, 1000, 2), normals(core, 1000, 2**32 + 1)]
    draws += [normals(core, 1000, 1, stream=1), normals(core, 1000, 1, step=1)]
    draws += [normals(core, 1000, 1, step=2**32)]
    correlation = np.corrcoef(np.stack(draws)) - np.eye(len(draws))
    assert abs(correlation).max() < 0.16  # five standard errors


def test_uniform_int_is_uniform(core: ctypes.CDLL) -> None:
    counts = np.bincount([core.lkt_uniform_int(3, 2, 0, i, 10) for i in range(20_000)], minlength=10)
    assert ((counts - 2000) ** 2 / 2000).sum() < 33.7  # chi-square, 9 degrees, p = 1e-4
    assert len(counts) == 10
    assert core.lkt_uniform_int(3, 2, 0, 0, 1) == 0
    assert core.lkt_uniform_int(3, 2, 0, 0, 0) == 0


@given(st.integers(0, 200), LONG, st.integers(0, 1000))
def test_permutation_holds_every_number_once(core: ctypes.CDLL, count: int, seed: int, epoch: int) -> None:
    order = np.zeros(count, np.uint32)
    core.lkt_permutation(order.ctypes.data, count, seed, 4, epoch)
    assert sorted(order.tolist()) == list(range(count))


def test_permutations_are_equally_likely(core: ctypes.CDLL) -> None:
    order = np.zeros(3, np.uint32)
    seen: dict[tuple[int, ...], int] = {}
    for epoch in range(6000):
        core.lkt_permutation(order.ctypes.data, 3, 11, 4, epoch)
        seen[tuple(order.tolist())] = seen.get(tuple(order.tolist()), 0) + 1
    assert len(seen) == 6
    assert sum((count - 1000) ** 2 / 1000 for count in seen.values()) < 25.7  # 5 degrees, p = 1e-4


@given(st.floats(1e-300, 1e300))
def test_log_equals_libm(core: ctypes.CDLL, x: float) -> None:
    # 2 ulp of double; next to 1 the result is tiny and the error of the series absolute.
    assert core.lkt_portable_log(x) == pytest.approx(math.log(x), rel=5e-16, abs=1e-17)


@given(st.floats(-100, 100))
def test_sine_and_cosine_equal_libm(core: ctypes.CDLL, turns: float) -> None:
    out = (c_double * 2)()
    core.lkt_portable_sine_cosine(turns, out)
    angle = math.remainder(turns, 1.0) * 2 * math.pi
    assert list(out) == pytest.approx([math.sin(angle), math.cos(angle)], rel=0, abs=1e-15)


@given(st.floats(0.0, 1.0), st.integers(0, 5000))
def test_power_equals_libm(core: ctypes.CDLL, base: float, exponent: int) -> None:
    expected = base**exponent
    # Each of at most 2 log2(5000) multiplications may lose an ulp, and squaring doubles what was lost.
    assert core.lkt_portable_power(base, exponent) == pytest.approx(expected, rel=2e-12, abs=1e-300)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["constant", "constant_with_warmup", "cosine"]),
    st.integers(0, 40),
    st.integers(1, 120),
)
def test_lr_factor_equals_diffusers(core: ctypes.CDLL, kind: str, warmup: int, total: int) -> None:
    weights = [torch.nn.Parameter(torch.zeros(1))]
    optimizer = torch.optim.SGD(weights, lr=1.0)
    keywords: dict[str, Any] = {"num_warmup_steps": warmup, "num_training_steps": total}
    schedule = get_scheduler(kind, optimizer, **keywords)
    for step in range(total + 1):
        factor = c_double()
        status = core.lkt_lr_factor(kind.encode(), step, warmup, total, ctypes.byref(factor))
        assert status == 0
        # Double precision on both sides; cos near pi/2 loses a few ulp.
        assert factor.value == pytest.approx(schedule.get_last_lr()[0], rel=0, abs=1e-14)
        optimizer.step()
        schedule.step()


def test_unknown_lr_schedule_is_an_error(core: ctypes.CDLL) -> None:
    factor = c_double()
    status = core.lkt_lr_factor(b"cosinus", 0, 0, 1, ctypes.byref(factor))
    assert status == INVALID_ARGUMENT
