"""Bootstrap samples of examples, and percentile intervals."""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from ablation.statistics.classification import average_f1, class_f1
from ablation.statistics.intervals import TAILS, Interval

RESAMPLES = 10_000

ROUNDING = 1e-6  # draws are float32: bounds that differ by a smaller part of themselves are equal

CHUNK = 256  # pairs or resamples computed at a time, which bounds the memory
CACHED = 2**16  # draws counted at a time
MOST_KEPT = 2**26  # counts of examples kept for the next measure, in bytes
MOST_WEIGHTS = 2**26  # counts of examples computed at a time: 0.5 GiB of random numbers


def _counts(rng: np.random.Generator, n: int, samples: int) -> np.ndarray:
    """Return how often each of n examples occurs in each sample of n draws with replacement, (samples, n), float32.

    Samples are counted in blocks that fit into the processor's cache; the random numbers do not depend on blocks.
    """
    counts, block = np.empty((samples, n), np.float32), max(1, CACHED // n)
    for start in range(0, samples, block):
        size = min(block, samples - start)
        indices = rng.integers(0, n, (size, n))
        indices += n * np.arange(size)[:, None]
        counts[start : start + size] = np.bincount(indices.ravel(), minlength=indices.size).reshape(size, n)
    return counts


def example_weights(n: int, resamples: int, seed: int = 0, strata: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Yield how often each of n examples occurs in each bootstrap sample (Efron 1979).

    Args:
        n: number of examples.
        resamples: number of bootstrap samples.
        seed: seed of the random generator; one seed always gives the same samples.
        strata: stratum of each example, (n,), such as its label. Each sample then has as many examples of a stratum as
            there are. None draws from all examples.

    Yields:
        Counts of CHUNK samples at a time, (CHUNK, n), float32; the last chunk may be smaller. Each row sums to n. Of
        very many examples, chunks are smaller.
    """
    if strata is None and n * resamples <= MOST_KEPT:
        yield from (counts.astype(np.float32) for counts in _kept_counts(n, resamples, seed))
    else:
        yield from _drawn_weights(n, resamples, seed, strata)


@lru_cache(maxsize=2)  # test and validation: a table resamples the same examples for several measures
def _kept_counts(n: int, resamples: int, seed: int) -> list[np.ndarray]:
    """Return the chunks of `example_weights` as uint8. No count exceeds 255: its probability is below 1e-500."""
    return [weights.astype(np.uint8) for weights in _drawn_weights(n, resamples, seed, None)]


def _drawn_weights(n: int, resamples: int, seed: int, strata: np.ndarray | None) -> Iterator[np.ndarray]:
    """Draw the chunks of `example_weights`."""
    rng = np.random.default_rng(seed)
    places = [] if strata is None else [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    chunk = max(1, min(CHUNK, MOST_WEIGHTS // n))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        if strata is None:
            yield _counts(rng, n, size)
            continue
        weights = np.empty((size, n), np.float32)
        for members in places:
            weights[:, members] = _counts(rng, len(members), size)
        yield weights


def draws(
    resample: Callable[[np.ndarray], np.ndarray],
    n_predictions: int,
    n: int,
    resamples: int = RESAMPLES,
    strata: np.ndarray | None = None,
) -> np.ndarray:
    """Return an aggregate of A sets of predictions for the same N examples, all under the same bootstrap samples.

    The difference of two rows of the returned array is a bootstrap of the paired difference.

    Args:
        resample: function that returns the aggregate in B samples, (A, B), from how often each example occurs in each
            sample, (B, N).
        n_predictions: A, the number of sets of predictions.
        n: N, the number of examples.
        resamples: number of bootstrap samples.
        strata: stratum of each example, (N,), as `example_weights` takes them.

    Returns:
        The aggregates, (A, resamples), float32.
    """
    aggregates, start = np.empty((n_predictions, resamples), np.float32), 0
    for weights in example_weights(n, resamples, strata=strata):
        aggregates[:, start : start + len(weights)] = resample(weights)
        start += len(weights)
    return aggregates


def class_f1_draws(
    labels: np.ndarray, predictions: np.ndarray, classes: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the F1 of each of K classes, and macro-F1, under RESAMPLES bootstrap samples of the N images.

    Args:
        labels: true classes, (N,), counted from 0.
        predictions: predicted classes, (N,), counted from 0.
        classes: K, the number of classes.
        seed: seed of the random generator; with the default, samples equal those of `draws`.

    Returns:
        F1 of each class, (K, RESAMPLES), and macro-F1, (RESAMPLES,) float32. All are fractions. The F1 of a class is
        nan in a sample without the class.
    """
    is_true = (labels == np.arange(classes)[:, None]).astype(np.float32)
    per_class, macro = [], []
    for weights in example_weights(len(labels), RESAMPLES, seed):
        support = (weights @ is_true.T).astype(float)
        (scores,) = class_f1(weights, support, is_true, predictions[None])
        per_class.append(np.where(support > 0, scores, np.nan))
        macro.append(average_f1(scores, support, "macro"))
    return np.concatenate(per_class).T, np.concatenate(macro).astype(np.float32)


def percentile_bounds(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 2.5 % and the 97.5 % percentile of the bootstrap draws of each of P values: two arrays (P,).

    Samples in which a value is not defined (nan) are left out; a bound is nan where no sample defines the value.

    `draws`: (P, resamples).
    """
    low, high = bounds = np.full((2, len(draws)), np.nan)
    defined = ~np.isnan(draws)
    drawn = defined.any(axis=1)
    if drawn.any():
        bounds[:, drawn] = (np.percentile if defined.all() else np.nanpercentile)(draws[drawn], TAILS, axis=1)
    return low, high


def without_width(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return which of P pairs of bounds are equal but for the rounding of the draws, (P,) bool."""
    equal: np.ndarray = high - low <= ROUNDING * np.maximum(np.abs(low), np.abs(high))
    return equal


def percentiles(values: np.ndarray, draws: np.ndarray) -> list[Interval]:
    """Return the 95 % percentile interval of the bootstrap for each of P measured values.

    The bounds are nan where the interval would have no width, because such an interval would claim certainty. That is
    so where all draws are equal, or nearly all of them.

    `values`: (P,). `draws`: (P, resamples), as `percentile_bounds` takes them.
    """
    low, high = percentile_bounds(draws)
    low, high = np.where(without_width(low, high), np.nan, (low, high))
    return [Interval(*map(float, numbers)) for numbers in zip(values, low, high, strict=True)]
