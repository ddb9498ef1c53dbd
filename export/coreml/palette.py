"""A weight as a table of few values and an index an element: k-means in one dimension.

coremltools clusters every element with scikit-learn, k-means++ first, which takes minutes for a model of ten million;
its faster way calls `kmeans1d` with an argument that no released version takes. A float16 weight has a few thousand
different values: those are clustered here, each weighing as often as it occurs, from the same seed, so that a shared
weight's table is the same wherever it is made.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

BITS = 6
TOLERANCE = 1e-4
"""Stop when the centres move by less, relative to the weight's variance."""


def palette(weight: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.uint8]]:
    """(table (2**BITS,) of `weight`'s dtype, indices (weight.size,) into it), for coremltools' `custom` mode."""
    size = 1 << BITS
    values, inverse, counts = np.unique(weight.astype(np.float16), return_inverse=True, return_counts=True)
    if len(values) <= size:
        table = np.pad(values, (0, size - len(values)), mode="edge")
        return table.astype(weight.dtype), inverse.reshape(-1).astype(np.uint8)
    points = values.astype(np.float64)[:, None]
    means = KMeans(size, n_init=1, tol=TOLERANCE, random_state=0).fit(points, sample_weight=counts)
    table = means.cluster_centers_[:, 0].astype(weight.dtype)
    return table, means.labels_[inverse.reshape(-1)].astype(np.uint8)
