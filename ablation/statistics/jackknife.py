"""Jackknife of aggregates: one value per example or group, whose mean has the standard error of the aggregate."""

from collections.abc import Callable

import numpy as np

MOST_UNITS = 1_000  # with more examples or groups, bootstrap percentiles cover as well
CHUNK = 256  # units left out at a time, which bounds the memory


def left_out(resample: Callable[[np.ndarray], np.ndarray], groups: np.ndarray) -> np.ndarray:
    """Return an aggregate of A sets of predictions without each of U units in turn, (A, U).

    Args:
        resample: function that returns the aggregate in B samples, (A, B), from how often each of the N examples occurs
            in each sample, (B, N).
        groups: unit of each example, (N,) int, from 0 to U - 1; each unit has an example.
    """
    n_units = int(groups.max()) + 1
    starts = range(0, n_units, CHUNK)
    chunks = (np.arange(start, min(start + CHUNK, n_units)) for start in starts)
    return np.hstack([resample((groups != units[:, None]).astype(np.float32)) for units in chunks])


def pseudo_values(values: np.ndarray, without: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the pseudo-values of A aggregates over U units (Tukey 1958), (A, U), with the aggregate as their mean.

    Their mean has nearly the variance of the aggregate, so Student's t applies to pseudo-values as to scores (Miller
    1974), also to their differences between rows. Those of a mean are the scores, or `groups.group_values`. The method
    needs an aggregate that changes smoothly with the weights of its units, as ratios and products of means do.

    Args:
        values: the aggregates of all examples, (A,).
        without: the aggregates without each unit, (A, U), as `left_out` returns them.
        sizes: number of examples of each unit, (U,).
    """
    deviations = (sizes.sum() - sizes) / sizes.mean() * (values[:, None] - without)
    centered: np.ndarray = values[:, None] + deviations - deviations.mean(axis=1, keepdims=True)
    return centered
