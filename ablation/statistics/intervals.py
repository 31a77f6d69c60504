"""Confidence intervals of means, accuracies and paired differences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from ablation.late_imports import late_import
from ablation.statistics.distributions import normal_isf, t_isf, t_ppf, t_sf

proportion = late_import("statsmodels.stats.proportion")

LEVEL = 0.95  # confidence level of every interval

ALPHA = 1 - LEVEL

ROUNDING = 1e-12  # smaller differences of fractions count as 0

Quantiles = tuple[float, float]
Counts = tuple[int, int]  # number of correct examples, number of examples

TAILS: Quantiles = (100 * ALPHA / 2, 100 - 100 * ALPHA / 2)


@dataclass(frozen=True)
class Interval:
    """Value and the bounds of its 95 % interval, all in one unit."""

    value: float
    low: float
    high: float

    def holds(self, value: float = 0.0) -> bool:
        """Return whether `value` lies within the bounds, which are included."""
        return self.low <= value <= self.high

    def scaled(self, factor: float) -> "Interval":
        """Return the interval in another unit: value and bounds multiplied by `factor`, which is positive."""
        return Interval(factor * self.value, factor * self.low, factor * self.high)


def wilson(correct: int, n: int) -> Interval:
    """Return the Wilson (1927) interval of an accuracy, as fractions in [0, 1].

    Args:
        correct: number of examples that are predicted correctly.
        n: number of examples.

    Raises:
        ValueError: n is 0.
    """
    if n == 0:
        raise ValueError("a share needs at least one example")
    value, z = correct / n, normal_isf(ALPHA / 2)
    scale = 1 + z**2 / n
    center = (value + z**2 / (2 * n)) / scale
    reach = float(z * np.sqrt(value * (1.0 - value) / n + z**2 / (4.0 * n**2)) / scale)
    low, high = max(0.0, center - reach), min(1.0, center + reach)
    return Interval(value, min(value, low), max(value, high))  # a share of 0 or 1 equals a bound but for rounding


def means(values: np.ndarray) -> list[Interval]:
    """Return Student's t interval of the mean of each row of `values`, (P, N), in the unit of the values.

    The N columns are examples or seeds. The bounds are nan where N < 2.
    """
    n, centers = values.shape[1], _row_means(values)
    half_width = t_ppf(1 - ALPHA / 2, n - 1) * values.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return [
        Interval(*map(float, bounds))
        for bounds in zip(centers, centers - half_width, centers + half_width, strict=True)
    ]


def rounding(values: np.ndarray) -> float:
    """Return the size below which a difference of values of this magnitude is rounding alone."""
    return ROUNDING * max(1.0, float(np.abs(values).max(initial=0.0)))


def _row_means(values: np.ndarray) -> np.ndarray:
    """Return the mean of each row, (P,); a mean that is rounding alone becomes 0."""
    row_means: np.ndarray = values.mean(axis=1)
    row_means[np.abs(row_means) < ROUNDING] = 0.0
    return row_means


def mean(values: np.ndarray) -> Interval:
    """Return Student's t interval of the mean of `values`, (N,), as `means` does."""
    return means(values[None])[0]


def prediction_range(values: np.ndarray, comparisons: int) -> Interval:
    """Return Student's t prediction interval for `comparisons` more values together, from values (N,), N >= 2.

    Each of them has the level 1 - 0.05 / comparisons (Bonferroni), so that one falls outside in at most 5 % of cases.
    """
    n, center = len(values), float(values.mean())
    reach = float(t_isf(ALPHA / (2 * comparisons), n - 1) * values.std(ddof=1) * np.sqrt(1 + 1 / n))
    return Interval(center, center - reach, center + reach)


def within(interval: Interval, low: float, high: float) -> Interval:
    """Return the interval with both bounds clipped to [low, high], the range of possible values."""
    return Interval(interval.value, *(float(np.clip(bound, low, high)) for bound in (interval.low, interval.high)))


def paired(a: np.ndarray, b: np.ndarray, largest: float = 1.0) -> list[Interval]:
    """Return the paired t interval of the mean of b - a for each of P pairs of rows, over the same N seeds.

    Args:
        a, b: scores of the first and the second row of each pair, (P, N).
        largest: the largest possible difference, 1 for fractions; bounds are clipped to it.
    """
    return [within(interval, -largest, largest) for interval in means(b.astype(float) - a)]


def bonett_price(a: np.ndarray, b: np.ndarray) -> list[Interval]:
    """Return the Bonett & Price (2012) interval of the mean of b - a for each of P pairs of rows.

    The interval is the paired t interval with two added examples: one that only the first row predicts correctly, and
    one that only the second row does. With thousands of examples, these two change nothing. With few examples on which
    the rows disagree, the interval without them is too narrow. Where the rows agree on all examples, that interval has
    no width.

    Args:
        a, b: the first and the second row of each pair on the same N examples, (P, N); 1 is correct, 0 is wrong.

    Returns:
        P intervals of the difference of accuracies, as fractions in [-1, 1].
    """
    return [within(interval, -1, 1) for interval in bonett_price_of_differences(b.astype(float) - a)]


def bonett_price_of_differences(differences: np.ndarray) -> list[Interval]:
    """Return the Bonett & Price (2012) interval, as `bonett_price` does, from differences (P, N).

    Differences may be of any combination of rows. The bounds are not clipped.
    """
    pairs = zip(_row_means(differences), means(with_added_examples(differences)), strict=True)
    return [Interval(float(value), interval.low, interval.high) for value, interval in pairs]


def of_scores(differences: np.ndarray) -> list[Interval]:
    """Return Student's t interval of the mean of scores, or of their differences, (P, N), over N examples.

    The bounds are nan where all N values are equal, because an interval without width would claim certainty.
    """
    constant = np.ptp(differences, axis=1) < rounding(differences)
    return [
        Interval(interval.value, float("nan"), float("nan")) if is_constant else interval
        for interval, is_constant in zip(means(differences), constant, strict=True)
    ]


def of_share(interval: Interval, degrees: float) -> Interval:
    """Return the interval of a share from its Student's t interval, by the same half-width on the log odds.

    The delta method gives the half-width on the log odds. Near 0 and 1, where shares are skewed, the result covers
    better than the t interval, and it stays within 0 and 1 (Dean & Pagano 2015, for clustered samples). The log odds of
    0 and 1 are infinite: there, it is the Wilson (1927) interval of as many units, with the quantile of t.

    Args:
        interval: t interval of a share, symmetric. Its bounds are nan where nothing varies.
        degrees: degrees of freedom: the number of units minus one.
    """
    value, distance = interval.value, interval.high - interval.value
    if value <= 0 or value >= 1:
        squared = t_isf(ALPHA / 2, degrees) ** 2
        reach = float(squared / (degrees + 1 + squared))
        return Interval(value, 0.0, reach) if value <= 0 else Interval(value, 1 - reach, 1.0)
    center, reach = special.logit(value), distance / (value * (1 - value))
    return Interval(value, float(special.expit(center - reach)), float(special.expit(center + reach)))


def on_scale(interval: Interval, low: float, high: float) -> Interval:
    """Return the interval of a value with a range from its Student's t interval, by the same half-width on a scale
    without bounds: the log odds of the range, or the logarithm of the distance from its only bound.

    The delta method gives the half-width on that scale, as for the area under the ROC curve on the log odds (Pepe 2003,
    5.2). The bounds are nan where the value lies at a bound, where this scale is infinite.

    Args:
        interval: t interval of the value, symmetric. Its bounds are nan where nothing varies.
        low, high: smallest and largest possible value; infinite where there is none.
    """
    value, distance = interval.value, interval.high - interval.value
    below, above = value - low, high - value
    if np.isinf(below) and np.isinf(above):
        return interval
    if below <= 0 or above <= 0:
        return Interval(value, float("nan"), float("nan"))
    if np.isinf(above):
        reach = np.exp(distance / below)
        return Interval(value, float(low + below / reach), float(low + below * reach))
    if np.isinf(below):
        reach = np.exp(distance / above)
        return Interval(value, float(high - above * reach), float(high - above / reach))
    center, reach = np.log(below / above), distance * (1 / below + 1 / above)
    bounds = (float(low + (high - low) * special.expit(center + side * reach)) for side in (-1, 1))
    return Interval(value, *bounds)


def of_overlapping_folds(values: np.ndarray) -> np.ndarray:
    """Return values of J folds, (J,), spread so that their t interval is that of the corrected resampled t test.

    The training sets of folds overlap, so the variance of their mean is larger than s^2 / J: it is estimated by
    s^2 (1 / J + n_test / n_train), with J - 1 degrees of freedom (Nadeau & Bengio 2003). For J folds of equal size,
    n_test / n_train is 1 / (J - 1). Differences of such values are spread alike.
    """
    n_folds, center = len(values), values.mean()
    spread: np.ndarray = center + (values - center) * np.sqrt(1 + n_folds / (n_folds - 1))
    return spread


def with_added_examples(differences: np.ndarray) -> np.ndarray:
    """Return differences (P, N) with the two examples that Bonett & Price (2012) add, +1 and -1: (P, N + 2)."""
    return np.hstack([differences, np.tile([1.0, -1.0], (len(differences), 1))])


def welch(a: np.ndarray, b: np.ndarray) -> Interval:
    """Return Welch's (1947) interval of mean(b) - mean(a) of independent values, (N,) and (M,), each at least two.

    The bounds are nan where neither of the two varies.
    """
    difference = float(b.mean() - a.mean())
    low, high, _ = welch_of_variances(difference, *_variances(a, b))
    return Interval(difference, low, high)


def _variances(*samples: np.ndarray) -> tuple[list[float], list[float]]:
    """Return the variance of each sample's mean, and its degrees of freedom. Equal values have the variance 0."""
    variances = [float(s.var(ddof=1) / len(s)) if np.ptp(s) >= rounding(s) else 0.0 for s in samples]
    return variances, [len(s) - 1.0 for s in samples]


def welch_p(a: np.ndarray, b: np.ndarray) -> float:
    """Return the two-sided p of Welch's (1947) t test of independent values, (N,) and (M,); nan if neither varies."""
    return welch_of_variances(float(b.mean() - a.mean()), *_variances(a, b))[2]


def welch_of_variances(
    difference: float, variances: Sequence[float], degrees: Sequence[float]
) -> tuple[float, float, float]:
    """Return the bounds and p of a difference of two independent means, by Welch's (1947) approximation.

    Args:
        difference: the difference of the means.
        variances: variance of each mean.
        degrees: degrees of freedom of each variance.
    """
    variance = sum(variances)
    if not variance:
        return float("nan"), float("nan"), float("nan")
    of_sum = variance**2 / sum(v**2 / df for v, df in zip(variances, degrees, strict=True))
    reach = float(t_isf(ALPHA / 2, of_sum) * np.sqrt(variance))
    return difference - reach, difference + reach, float(2 * t_sf(abs(difference) / np.sqrt(variance), of_sum))


def agresti_caffo(correct: Counts, other: Counts) -> Interval:
    """Return the Agresti & Caffo (2000) interval of a difference of two accuracies on independent examples.

    For two rows on the same examples, the interval is conservative, because it does not use that they are paired.

    Args:
        correct: number of correct examples, and of all examples, of the first row.
        other: the same for the second row; the difference is second minus first.
    """
    low, high = proportion.confint_proportions_2indep(
        *other, *correct, method="agresti-caffo", compare="diff", alpha=ALPHA
    )
    return Interval(other[0] / other[1] - correct[0] / correct[1], float(low), float(high))


def clopper_pearson(successes: float, n: int) -> Interval:
    """Return the Clopper & Pearson (1934) interval of a share, as fractions. Half a success stands for a tie."""
    low, high = proportion.proportion_confint(successes, n, alpha=ALPHA, method="beta")
    return Interval(successes / n, float(np.nan_to_num(low, nan=0.0)), float(np.nan_to_num(high, nan=1.0)))


def newcombe(correct: float, published: float, n: int, published_n: int) -> Interval:
    """Return the Newcombe (1998) interval of measured minus published accuracy, as if on independent test sets.

    Args:
        correct: measured accuracy, a fraction.
        published: published accuracy, a fraction.
        n: number of examples of the measured accuracy.
        published_n: number of examples of the published accuracy.

    Returns:
        The difference and its bounds, as fractions in [-1, 1].
    """
    n_correct, n_published_correct = round(correct * n), round(published * published_n)
    first, second = wilson(n_correct, n), wilson(n_published_correct, published_n)
    difference = first.value - second.value
    below = float(np.sqrt((first.value - first.low) ** 2 + (second.high - second.value) ** 2))
    above = float(np.sqrt((first.high - first.value) ** 2 + (second.value - second.low) ** 2))
    return Interval(correct - published, difference - below, difference + above)
