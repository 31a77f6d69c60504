"""Intervals and paired tests between rows: how sure a number is, and whether two of them differ."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import cochrans_q, mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import ttost_paired

from ablation.measures.classes import average_f1, class_f1

LEVEL = 0.95  # of every interval
ALPHA = 1 - LEVEL
RESAMPLES = 10_000
CHUNK = 256  # pairs or resamples at a time: bounds the memory
MOST_FLIPS = 2**13  # of signs
ROUNDING = 1e-12  # differences of fractions below it are none

Quantiles = tuple[float, float]
TAILS: Quantiles = (100 * ALPHA / 2, 100 - 100 * ALPHA / 2)


@dataclass(frozen=True)
class Interval:
    """A value and the bounds of its 95 % interval, all in one unit."""

    value: float
    low: float
    high: float

    def holds(self, value: float = 0.0) -> bool:
        return self.low <= value <= self.high

    def scaled(self, factor: float) -> "Interval":
        """In another unit. `factor` is positive."""
        return Interval(factor * self.value, factor * self.low, factor * self.high)


@dataclass(frozen=True)
class Discordance:
    """How two rows disagree on N examples: `only_a` that only the first got right, `only_b` only the second.

    `p`: exact McNemar test, two-sided.
    """

    only_a: int
    only_b: int
    p: float


def wilson(correct: int, n: int) -> Interval:
    """Of a share of right ones, over examples, as fractions in [0, 1] (Wilson 1927). Raises ValueError where n = 0."""
    if n == 0:
        raise ValueError("a share needs at least one example")
    low, high = proportion_confint(correct, n, alpha=ALPHA, method="wilson")
    value = correct / n  # all wrong or all right: a bound, but for rounding
    return Interval(value, min(value, float(low)), max(value, float(high)))


def means(values: np.ndarray) -> list[Interval]:
    """Of each row's mean, by Student's t over the N columns, which are examples or seeds: (P, N).

    No bounds (nan) where N < 2.
    """
    n, middle = values.shape[1], _middles(values)
    reach = stats.t.ppf(1 - ALPHA / 2, n - 1) * values.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return [Interval(*map(float, each)) for each in zip(middle, middle - reach, middle + reach, strict=True)]


def _rounding(values: np.ndarray) -> float:
    """What is nothing but for rounding, beside values of this size."""
    return ROUNDING * max(1.0, float(np.abs(values).max(initial=0.0)))


def _middles(values: np.ndarray) -> np.ndarray:
    """The mean of each row: (P,); what is nothing but for rounding is 0."""
    found: np.ndarray = values.mean(axis=1)
    found[np.abs(found) < ROUNDING] = 0.0
    return found


def mean(values: np.ndarray) -> Interval:
    """Of one mean: `values` (N,)."""
    return means(values[None])[0]


def within(found: Interval, low: float, high: float) -> Interval:
    """Return an interval whose bounds lie where a value can."""
    return Interval(found.value, *(float(np.clip(bound, low, high)) for bound in (found.low, found.high)))


def paired(a: np.ndarray, b: np.ndarray, reach: float = 1.0) -> list[Interval]:
    """b - a for each of P pairs of rows, over the same N seeds, by the paired t interval. Shapes: (P, N). `reach`: the
    largest difference that there can be, 1 of fractions."""
    return [within(each, -reach, reach) for each in means(b.astype(float) - a)]


def paired_right(a: np.ndarray, b: np.ndarray) -> list[Interval]:
    """b - a for each of P pairs of rows, over the same N examples; right is 1, wrong is 0. Shapes: (P, N).

    The paired t interval with two examples more, one that only the first row gets right and one that only the second
    does (Bonett & Price 2012). With thousands of examples these change nothing; with few on which the rows disagree,
    the interval without them is too narrow, and has no width at all where they agree on all.
    """
    return [within(each, -1, 1) for each in of_right(b.astype(float) - a)]


def of_right(differences: np.ndarray) -> list[Interval]:
    """What `paired_right` says of differences (P, N), of any combination of rows."""
    pairs = zip(_middles(differences), means(_widened(differences)), strict=True)
    return [Interval(float(value), wide.low, wide.high) for value, wide in pairs]


def of_scores(differences: np.ndarray) -> list[Interval]:
    """Of the means of scores, or of their differences, (P, N), over examples. No bounds (nan) where all N are equal: an
    interval without width would claim certainty."""
    flat = np.ptp(differences, axis=1) < _rounding(differences)
    return [
        Interval(each.value, float("nan"), float("nan")) if same else each
        for each, same in zip(means(differences), flat, strict=True)
    ]


def bootstrap_p(differences: np.ndarray) -> list[float]:
    """p of no difference, two-sided, for each of P pairs from B bootstrap draws of it, (P, B): twice the smaller share
    of draws on one side of 0, which is what the percentile interval says (Efron & Tibshirani 1993, 15.4). It cannot
    fall below 2 / (B + 1)."""
    beyond = np.minimum((differences <= 0).sum(axis=1), (differences >= 0).sum(axis=1))
    return [min(1.0, 2.0 * float(each + 1) / (differences.shape[1] + 1)) for each in beyond]


def _widened(differences: np.ndarray) -> np.ndarray:
    return np.hstack([differences, np.tile([1.0, -1.0], (len(differences), 1))])


def paired_p(a: np.ndarray, b: np.ndarray) -> list[float]:
    """p of no difference in the mean, by the paired t test, for each of P pairs over N seeds or examples: (P, N).

    Where all N differences are the same, there is no variance to test them against, and p is the sign-flip test's.
    """
    differences, n = b.astype(float) - a, a.shape[1]
    nothing = _rounding(a)
    flat = np.ptp(differences, axis=1) < nothing
    p = np.where(np.abs(differences).max(axis=1) < nothing, 1.0, smallest_p(n))
    if not flat.all():
        p[~flat] = stats.ttest_1samp(differences[~flat], 0.0, axis=1).pvalue
    return [float(each) for each in p]


def sign_flip(a: np.ndarray, b: np.ndarray) -> list[float]:
    """p of no difference over S seeds, for each of P pairs, by flips of the sign of each difference: (P, S).

    Exact, by all 2^S flips, up to MOST_FLIPS of them; else by as many random ones.
    """
    differences = b.astype(float) - a
    seeds, nothing = differences.shape[1], _rounding(a)
    if 2**seeds <= MOST_FLIPS:
        flips = np.array(list(product((1.0, -1.0), repeat=seeds)))
    else:  # as it was measured, which counts as one of them, and random others
        flips = np.random.default_rng(0).choice((1.0, -1.0), (MOST_FLIPS, seeds))
        flips[0] = 1.0
    found = np.concatenate([
        (np.abs(some @ flips.T) >= np.abs(some.sum(axis=1, keepdims=True)) - nothing).mean(axis=1)
        for some in np.array_split(differences, -(-len(differences) // CHUNK))
    ])  # fmt: skip
    return [float(p) for p in found]


def smallest_p(seeds: int) -> float:
    """The smallest p that a two-sided sign-flip test over so many seeds can reach: 2 / 2^S."""
    return min(1.0, 2.0 * 0.5**seeds)


def discordance(a: np.ndarray, b: np.ndarray) -> Discordance:
    """Of two rows on the same N examples; `a`, `b`: (N,) bool, right or wrong (McNemar 1947, exact)."""
    both, right, other = (int(np.count_nonzero(each)) for each in (a & b, a, b))
    only_a, only_b = right - both, other - both
    table = [[both, only_a], [only_b, len(a) - right - only_b]]
    return Discordance(only_a, only_b, float(mcnemar(table, exact=True).pvalue))


def holm(p: Sequence[float]) -> list[float]:
    """p values adjusted for a family of tests (Holm 1979). A nan stays, and does not count."""
    values = np.asarray(p, float)
    tested = ~np.isnan(values)
    if tested.any():
        values[tested] = multipletests(values[tested], method="holm")[1]
    return [float(v) for v in values]


def cochran(correct: np.ndarray) -> float | None:
    """p of no difference among R rows, from (N, R) right or wrong (Cochran 1950). None where all rows are identical."""
    if correct.shape[1] < 2 or (correct == correct[:, :1]).all():
        return None
    return float(cochrans_q(correct.astype(int)).pvalue)


def equivalent(a: np.ndarray, b: np.ndarray, margin: float, right: bool = True) -> list[bool]:
    """Whether b - a lies within `margin` of 0, for each of P pairs over N examples or seeds: (P, N).

    By two one-sided paired t tests (Schuirmann 1987); of `right` or wrong examples with the two that `paired_right`
    adds.
    """
    differences = _widened(b.astype(float) - a) if right else b.astype(float) - a
    if differences.shape[1] < 2:
        return [False] * len(differences)
    with np.errstate(divide="ignore", invalid="ignore"):  # no variance: surely within, or surely not
        tests = [ttost_paired(each, np.zeros_like(each), -margin, margin)[0] for each in differences]
    return [bool(p < ALPHA) for p in tests]


def detectable(discordant: float, n: int) -> float:
    """The difference of two shares that one test on n examples finds with power 0.8, as a fraction.

    `discordant`: the share of examples on which the rows disagree.
    """
    effect = TTestPower().solve_power(nobs=n, alpha=ALPHA, power=0.8, alternative="two-sided")
    return float(effect * np.sqrt(discordant))


def independent(correct: float, published: float, n: int, published_n: int) -> Interval:
    """Measured minus published accuracy, as if on independent test sets (Newcombe 1998). Fractions."""
    k, m = round(correct * n), round(published * published_n)
    low, high = confint_proportions_2indep(k, n, m, published_n, method="newcomb", compare="diff", alpha=ALPHA)
    return Interval(correct - published, float(low), float(high))


def mixed_alike(here: Sequence[int], there: Sequence[int]) -> float | None:
    """p of Pearson's chi-square test that two sets of images mix their classes alike; None of fewer than two classes,
    or where a class has no image in either. `here`, `there`: images of each class."""
    counts = np.array([here, there])
    if counts.shape[1] < 2 or not counts.any(axis=0).all() or not counts.any(axis=1).all():
        return None
    return float(stats.chi2_contingency(counts, correction=False).pvalue)


def kendall(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Rank agreement, tau-b in [-1, 1] (Kendall 1945). None where one of them does not vary."""
    found = float(stats.kendalltau(a, b).statistic)
    return None if np.isnan(found) else found


def example_weights(n: int, resamples: int, seed: int = 0) -> Iterator[np.ndarray]:
    """How often each of n examples occurs in each bootstrap sample (Efron 1979), CHUNK at a time: (CHUNK, n),
    float32; rows sum to n."""
    rng = np.random.default_rng(seed)
    for first in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - first)
        drawn = rng.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float32)


def draws(
    resample: Callable[[np.ndarray], np.ndarray], answers: int, n: int, resamples: int = RESAMPLES, seed: int = 0
) -> np.ndarray:
    """An aggregate of each of A answers to the same N examples, all under the same bootstrap samples: (A, resamples),
    float32.

    `resample`: gives it for B samples, (A, B), from how often each example occurs in them, (B, N). The difference of
    two rows of what is returned is a bootstrap of the paired difference.
    """
    found = np.empty((answers, resamples), np.float32)
    for place, weights in enumerate(example_weights(n, resamples, seed)):
        found[:, place * CHUNK : place * CHUNK + len(weights)] = resample(weights)
    return found


def class_f1_draws(
    labels: np.ndarray, answer: np.ndarray, classes: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the F1 of each of K classes under RESAMPLES bootstrap samples of the N images, (K, RESAMPLES), and their
    macro-F1 as `draws` draws it, (RESAMPLES,) float32."""
    every = np.arange(classes)[:, None]
    is_true, is_said = ((each == every).astype(np.float32) for each in (labels, answer))
    of_classes, macro = [], []
    for weights in example_weights(len(labels), RESAMPLES, seed):
        true = (weights @ is_true.T).astype(float)
        of_classes.append(class_f1(weights, true, is_true, is_said))
        macro.append(average_f1(of_classes[-1], true, "macro"))
    return np.concatenate(of_classes).T, np.concatenate(macro).astype(np.float32)


def percentiles(values: np.ndarray, draws: np.ndarray) -> list[Interval]:
    """The percentile interval of a bootstrap around each of P measured `values`: (P,). `draws`: (P, resamples)."""
    low, high = np.percentile(draws, TAILS, axis=1)
    return [Interval(*map(float, each)) for each in zip(values, low, high, strict=True)]


def estimable(design: np.ndarray, term: np.ndarray) -> bool:
    """Whether the data tell each column of `term` from everything in `design`. Shapes: (R, p), (R, q), q >= 1."""
    rank = np.linalg.matrix_rank
    return bool(rank(np.hstack([design, term])) == rank(design) + term.shape[1])


def basis(design: np.ndarray) -> list[int]:
    """The columns of `design` (R, p) that the columns before them do not add up to. Its rank is their number."""
    kept: list[int] = []
    for column in range(design.shape[1]):
        if np.linalg.matrix_rank(design[:, [*kept, column]]) > len(kept):
            kept.append(column)
    return kept


def main_effects(design: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Coefficients of a linear model of the scores, for each example (or seed, or draw): (p, N).

    `design`: (R, p) of rank p; `scores`: (R, N), all rows on the same examples. Every example has the same design, so
    the model is fitted to each alone, and `means` of a coefficient over examples is the cluster-robust interval with
    examples as clusters (Liang & Zeger 1986), but for its factor for few rows.
    """
    found: np.ndarray = np.linalg.pinv(design) @ scores.astype(float)
    return found


def line_fit(design: np.ndarray, values: np.ndarray) -> list[Interval]:
    """The same coefficients from R values alone, with intervals over rows by Student's t: (R, p), (R,).

    What the model does not describe, interactions and the luck of a seed, widens these. `design` has rank p, below R.
    """
    fitted = OLS(values, design).fit()
    bounds = fitted.conf_int(ALPHA)
    return [Interval(*map(float, each)) for each in zip(fitted.params, *bounds.T, strict=True)]
