"""Palettes hold few values exactly and many nearly as well as clustering every element would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from export.coreml.palette import BITS, palette

SIZE = 1 << BITS


def restored(weight: NDArray[np.floating]) -> NDArray[np.floating]:
    table, indices = palette(weight)
    assert table.shape == (SIZE,) and table.dtype == weight.dtype
    assert indices.shape == (weight.size,) and indices.dtype == np.uint8
    return table[indices].reshape(weight.shape)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("count", [1, 2, SIZE - 1, SIZE])
def test_as_many_values_as_there_are_entries_are_kept_exactly(count: int, dtype: type) -> None:
    rng = np.random.default_rng(count)
    weight = rng.permutation(np.resize(np.linspace(-3, 3, count).astype(np.float16), 4096)).astype(dtype)
    np.testing.assert_array_equal(restored(weight.reshape(64, 64)), weight.reshape(64, 64))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_as_near_as_clustering_every_element(dtype: type) -> None:
    weight = np.random.default_rng(0).normal(size=(96, 64, 3, 3)).astype(dtype) * 0.05
    plain = KMeans(SIZE, n_init=1, random_state=1).fit(weight.reshape(-1, 1).astype(np.float64))
    error = float(np.square(restored(weight).astype(np.float64) - weight).sum())
    assert error < 1.1 * plain.inertia_  # both are local optima: they differ by a few percent


@given(hnp.arrays(np.float16, (40, 20), elements=st.floats(-8, 8, width=16)))
@settings(max_examples=30, deadline=None)
def test_every_element_gets_its_nearest_entry(weight: NDArray[np.float16]) -> None:
    table, indices = palette(weight)
    distances = np.abs(weight.reshape(-1, 1).astype(np.float64) - table.astype(np.float64))
    chosen = distances[np.arange(weight.size), indices]
    # The entries are rounded to float16 after the choice: by at most half of its spacing, on either side.
    assert np.all(chosen <= distances.min(axis=1) + np.spacing(np.abs(table).max()))


def test_the_same_weight_has_the_same_palette() -> None:
    weight = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float16)
    for first, second in zip(palette(weight), palette(weight.copy()), strict=True):
        np.testing.assert_array_equal(first, second)
