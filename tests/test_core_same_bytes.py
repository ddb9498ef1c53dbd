"""The promise that a session ends in the same bytes on every platform, as digests.

They were made on x86-64 (GCC and Clang, -O0 to -O3 -march=native) and agree with arm64. A compiler that
fuses multiply and add, or a libm call that slipped in, changes them. A change on purpose breaks the
sessions people have journalled: raise the journal's version with it.
"""

from __future__ import annotations

import ctypes
import hashlib
from ctypes import c_double, c_int, c_size_t, c_uint32, c_uint64, c_void_p

import numpy as np
import numpy.typing as npt
import pytest

Floats = npt.NDArray[np.float32]


def digest(values: Floats) -> str:
    return hashlib.sha256(values.tobytes()).hexdigest()[:32]


def noise(core: ctypes.CDLL, count: int, step: int = 0) -> Floats:
    """Standard normals of the core's own, seed 2023, initial latents."""
    values = np.empty(count, np.float32)
    core.lkt_fill_normal(*(c_void_p(values.ctypes.data), c_size_t(count), c_uint64(2023), c_int(0), c_uint64(step)))
    return values


def at(values: npt.NDArray[np.generic]) -> c_void_p:
    return c_void_p(values.ctypes.data)


def test_noise(testing_library: ctypes.CDLL) -> None:
    assert digest(noise(testing_library, 100_000)) == "f42850484f9c14802b94b565fd38b1df"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ddim", "bb140d2317e981606953ec5bda819b3e"),
        ("dpmsolver++", "f486161c40ab8899a7f8d6f7df70ff53"),
    ],
)
def test_sampling(testing_library: ctypes.CDLL, kind: str, expected: str) -> None:
    core, schedule, sampler = testing_library, c_void_p(), c_void_p()
    # Exact multiples, because linspace and powers may differ between numpy builds.
    betas = 0.00085 + np.arange(1000) * 2.0**-17
    assert core.lkt_schedule_new(at(betas), c_size_t(1000), b"v_prediction", ctypes.byref(schedule)) == 0
    assert core.lkt_sampler_new(kind.encode(), schedule, c_int(20), ctypes.byref(sampler)) == 0
    latents = noise(core, 4096)
    for i in range(20):
        output = latents * np.float32(0.5)
        assert core.lkt_sampler_step(sampler, c_int(i), at(output), c_size_t(4096), at(latents)) == 0
    core.lkt_sampler_free(sampler)
    core.lkt_schedule_free(schedule)
    assert digest(latents) == expected


def test_optimizer(testing_library: ctypes.CDLL) -> None:
    core, optimizer, sizes = testing_library, c_void_p(), (c_size_t * 1)(4096)
    settings = [c_double(x) for x in (0.9, 0.999, 1e-8, 1e-2)]
    assert core.lkt_adamw_new(*settings, sizes, c_size_t(1), ctypes.byref(optimizer)) == 0
    values = noise(core, 4096)
    for step in range(1, 51):
        gradient = noise(core, 4096, step)
        pointers = [(c_void_p * 1)(a.ctypes.data) for a in (values, gradient)]
        rate = c_double(1e-3 * step)
        assert core.lkt_adamw_step(optimizer, rate, *pointers, sizes, c_size_t(1)) == 0
    core.lkt_adamw_free(optimizer)
    assert digest(values) == "ddd4af078da209e39d1b36de63ae8e22"


def test_orthogonalized(testing_library: ctypes.CDLL) -> None:
    core, shapes = testing_library, ((32, 128), (64, 64), (128, 32))
    matrices = [noise(core, 4096, step).reshape(shape) for step, shape in enumerate(shapes)]
    for matrix in matrices:
        assert core.lkt_orthogonalize(at(matrix), *[c_size_t(side) for side in matrix.shape]) == 0
    assert digest(np.concatenate([matrix.ravel() for matrix in matrices])) == "fecd6778fe1eadd56274a41080532d33"


def test_augmented_views(testing_library: ctypes.CDLL) -> None:
    core, photo = testing_library, noise(testing_library, 3 * 97 * 97) * np.float32(0.25)
    views = np.empty((12, 3, 64, 64), np.float32)
    mask, prefix, flipped = np.empty((8, 8), np.float32), ctypes.create_string_buffer(32), c_int()
    sizes = [c_int(n) for n in (97, 97, 64, 8, 1, 1)]
    for i, view in enumerate(views):
        numbers = (*sizes, c_uint64(5), c_uint32(i))
        out = (at(view), at(mask), prefix, ctypes.byref(flipped))
        assert core.lkt_augment(at(photo), *numbers, *out) == 0
    assert digest(views) == "b2391e5587d63887ac6d0376fe6b8c27"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (0, "d8a5a4a819cdf8175e0fd643468bc6d4"),
        (1, "912a60aff66ab529217db1ccd05eab5b"),
        (2, "1619737a89c74030f9e9aa04f4a3bd1d"),
    ],
)
def test_resized_pictures(testing_library: ctypes.CDLL, kind: int, expected: str) -> None:
    core, photo = testing_library, noise(testing_library, 3 * 97 * 97) * np.float32(0.25)
    out = np.empty((3, 50, 133), np.float32)
    sizes = [c_int(n) for n in (97, 97, 50, 133, kind)]
    assert core.lkt_resize(at(photo), *sizes, at(out)) == 0
    assert digest(out) == expected


def test_learning_rates(testing_library: ctypes.CDLL) -> None:
    factors = (c_double * 200)()
    for step in range(200):
        status = testing_library.lkt_lr_factor(
            *(b"cosine", ctypes.c_int64(step), ctypes.c_int64(10), ctypes.c_int64(200)),
            ctypes.byref(factors, step * ctypes.sizeof(c_double)),
        )
        assert status == 0
    assert hashlib.sha256(bytes(factors)).hexdigest()[:32] == "7f5f0325757b4830ac6421f0933f6743"
