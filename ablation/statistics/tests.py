"""Tests of paired and independent differences, corrections for multiple tests, and the power of tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ablation.late_imports import late_import
from ablation.statistics.bootstrap import CHUNK, percentile_bounds, without_width
from ablation.statistics.distributions import binomial_cdf, chi_square_sf, t_test_p
from ablation.statistics.intervals import ALPHA, Counts, rounding, with_added_examples

stats = late_import("scipy.stats")
proportion = late_import("statsmodels.stats.proportion")
weightstats = late_import("statsmodels.stats.weightstats")

MOST_FLIPS = 2**13  # sign flips of one test


@dataclass(frozen=True)
class Discordance:
    """Disagreement of two rows on N examples.

    `only_a`: number of examples that only the first row predicts correctly. `only_b`: only the second row. `p`: exact
    McNemar test, two-sided.
    """

    only_a: int
    only_b: int
    p: float


def bootstrap_p(differences: np.ndarray) -> list[float]:
    """Return the two-sided bootstrap p of no difference for each of P pairs (Efron & Tibshirani 1993, 15.4).

    p is twice the smaller share of draws on one side of 0, in agreement with the percentile interval. p cannot fall
    below 2 / (B + 1). Draws that are nan are left out. p is nan where no draw is left, and where the percentile
    interval has no width and is not 0: such draws show no variance to test against.

    `differences`: B bootstrap draws of the difference of each pair, (P, B).
    """
    low, high = percentile_bounds(differences)
    untested = np.isnan(low) | (without_width(low, high) & (low != 0))
    counts = np.minimum((differences <= 0).sum(axis=1), (differences >= 0).sum(axis=1))
    drawn = (~np.isnan(differences)).sum(axis=1)
    p_values = np.where(untested, np.nan, np.minimum(1.0, 2.0 * (counts + 1) / (drawn + 1)))
    return [float(p) for p in p_values]


def paired_p(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Return the p of no difference in the mean, by the paired t test, for each of P pairs.

    Where all N differences of a pair are equal, there is no variance to test them against. Then p is
    `smallest_attainable_p`, the p of the sign-flip test, or 1 where the differences are 0.

    `a`, `b`: the first and the second row of each pair over N seeds or examples, (P, N).
    """
    differences, n = b.astype(float) - a, a.shape[1]
    tolerance = rounding(a)
    constant = np.ptp(differences, axis=1) < tolerance
    p = np.where(np.abs(differences).max(axis=1) < tolerance, 1.0, smallest_attainable_p(n))
    if not constant.all():
        p[~constant] = t_test_p(differences[~constant])
    return [float(p_value) for p_value in p]


def agresti_caffo_p(correct: Counts, other: Counts) -> float:
    """Return the two-sided p of no difference of two accuracies on independent examples (Agresti & Caffo 2000).

    `correct`, `other`: number of correct examples and of all examples of each row.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # statsmodels' odds ratio, which is not used, of a share of 1
        return float(
            proportion.test_proportions_2indep(*other, *correct, method="agresti-caffo", compare="diff").pvalue
        )


def sign_flip(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Return the p of the sign-flip test of no difference over S seeds, for each of P pairs.

    The test is exact, with all 2^S flips of the signs of the differences, up to MOST_FLIPS of them. For more seeds,
    MOST_FLIPS random flips are drawn.

    `a`, `b`: the first and the second row of each pair, (P, S).
    """
    differences = b.astype(float) - a
    seeds, tolerance = differences.shape[1], rounding(a)
    if 2**seeds <= MOST_FLIPS:
        flips = np.array(list(product((1.0, -1.0), repeat=seeds)))
    else:  # random flips; the measured signs count as one of them
        flips = np.random.default_rng(0).choice((1.0, -1.0), (MOST_FLIPS, seeds))
        flips[0] = 1.0
    p_values = np.concatenate([
        (np.abs(chunk @ flips.T) >= np.abs(chunk.sum(axis=1, keepdims=True)) - tolerance).mean(axis=1)
        for chunk in np.array_split(differences, -(-len(differences) // CHUNK))
    ])  # fmt: skip
    return [float(p) for p in p_values]


def smallest_attainable_p(seeds: int) -> float:
    """Return the smallest p that a two-sided sign-flip test over S seeds can reach: 2 / 2^S."""
    return min(1.0, 2.0 * 0.5**seeds)


def discordance(a: np.ndarray, b: np.ndarray) -> Discordance:
    """Return how two rows disagree on the same N examples, with the exact McNemar (1947) test.

    `a`, `b`: whether each row predicts the example correctly, (N,) bool.
    """
    return discordances(a[None], b[None])[0]


def discordances(a: np.ndarray, b: np.ndarray) -> list[Discordance]:
    """Return the output of `discordance` for each of P pairs of rows.

    The p value is statsmodels' `mcnemar(..., exact=True)`, which takes one pair at a time: twice the smaller tail of
    the binomial distribution of the discordant examples, at most 1.

    `a`, `b`: the first and the second row of each pair, (P, N) bool.
    """
    both = np.count_nonzero(a & b, axis=1)
    only_a, only_b = np.count_nonzero(a, axis=1) - both, np.count_nonzero(b, axis=1) - both
    p = np.minimum(1.0, 2 * binomial_cdf(np.minimum(only_a, only_b), only_a + only_b, 0.5))
    return [Discordance(int(x), int(y), float(z)) for x, y, z in zip(only_a, only_b, p, strict=True)]


def holm(p: Sequence[float]) -> list[float]:
    """Return p values adjusted for a family of tests (Holm 1979). A nan stays nan and does not count as a test."""
    values = np.asarray(p, float)
    tested = ~np.isnan(values)
    order = np.flatnonzero(tested)[np.argsort(values[tested])]
    adjusted = np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1))
    values[order] = np.minimum(adjusted, 1.0)
    return [float(v) for v in values]


def cochran_q(correct: np.ndarray) -> float | None:
    """Return p of Cochran's Q test (1950) of no difference among R rows; None where all rows are identical.

    `correct`: whether each row predicts each example correctly, (N, R) bool. None is returned for a single row too.
    """
    if correct.shape[1] < 2 or (correct == correct[:, :1]).all():
        return None
    by_example, by_row, k = correct.sum(axis=1).astype(float), correct.sum(axis=0).astype(float), correct.shape[1]
    spread = k * (by_row**2).sum() - by_row.sum() ** 2
    q = (k - 1) * spread / (k * by_example.sum() - (by_example**2).sum())
    return chi_square_sf(q, k - 1)


def equivalent(a: np.ndarray, b: np.ndarray, margin: float, right: bool = True) -> list[bool]:
    """Return whether the mean of b - a lies within `margin` of 0, for each of P pairs, at p < ALPHA.

    The test is two one-sided paired t tests, TOST (Schuirmann 1987). With fewer than two differences, no pair is
    equivalent.

    Args:
        a, b: the first and the second row of each pair over N examples or seeds, (P, N).
        margin: largest difference that counts as equivalent, in the unit of `a` and `b`.
        right: whether values are correct (1) or wrong (0) examples; then the two examples that `bonett_price` adds are
            added here too.
    """
    differences = with_added_examples(b.astype(float) - a) if right else b.astype(float) - a
    if differences.shape[1] < 2:
        return [False] * len(differences)
    with np.errstate(divide="ignore", invalid="ignore"):  # zero variance: certainly within the margin or not
        tests = [weightstats.ttost_paired(values, np.zeros_like(values), -margin, margin)[0] for values in differences]
    return [bool(p < ALPHA) for p in tests]


def chi_square(first: Sequence[int], second: Sequence[int]) -> float | None:
    """Return p of Pearson's chi-square test that two sets of images have the same shares of classes.

    None is returned for fewer than two classes, where a class has no image in either set, and where a set has no image.

    `first`, `second`: number of images of each class in the two sets.
    """
    counts = np.array([first, second])
    if counts.shape[1] < 2 or not counts.any(axis=0).all() or not counts.any(axis=1).all():
        return None
    return float(stats.chi2_contingency(counts, correction=False).pvalue)
