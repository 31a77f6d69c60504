"""Intervals and paired tests between rows: how sure a number is, and whether two of them differ."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import cochrans_q, mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import ttost_paired

LEVEL = 0.95  # of every interval
ALPHA = 1 - LEVEL
RESAMPLES = 10_000
CHUNK = 256  # pairs or resamples at a time: bounds the memory

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
    """How two rows disagree on N images: `only_a` that only the first got right, `only_b` only the second.

    `p`: exact McNemar test, two-sided.
    """

    only_a: int
    only_b: int
    p: float


def wilson(correct: int, n: int) -> Interval:
    """Of an accuracy, over images, as fractions in [0, 1] (Wilson 1927). Raises ValueError where n = 0."""
    if n == 0:
        raise ValueError("an accuracy needs at least one image")
    low, high = proportion_confint(correct, n, alpha=ALPHA, method="wilson")
    return Interval(correct / n, float(low), float(high))


def mean(values: np.ndarray) -> Interval:
    """Of a mean, by Student's t: `values` (N,) over images or over seeds. No bounds (nan) where N < 2."""
    if len(values) < 2 or np.ptp(values) == 0:
        bound = float(values[0]) if len(values) > 1 else float("nan")
        return Interval(float(np.mean(values)), bound, bound)
    found = stats.ttest_1samp(values, 0.0).confidence_interval(LEVEL)
    return Interval(float(np.mean(values)), float(found.low), float(found.high))


def paired(a: np.ndarray, b: np.ndarray) -> list[Interval]:
    """b - a for each of P pairs of rows, over the same N images or seeds, by the paired t interval. Shapes: (P, N).

    With 0 and 1 for wrong and right this is the paired Wald interval of a difference of accuracies.
    """
    found: list[Interval] = []
    for first in range(0, len(a), CHUNK):
        found += _paired(a[first : first + CHUNK].astype(float), b[first : first + CHUNK].astype(float))
    return found


def _paired(a: np.ndarray, b: np.ndarray) -> Iterator[Interval]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # rows that agree everywhere: a difference of 0, surely
        bounds = stats.ttest_rel(b, a, axis=1).confidence_interval(LEVEL)
    values = (b - a).mean(axis=1)
    same = np.ptp(b - a, axis=1) == 0
    low, high = (np.where(same, values, bound) for bound in (bounds.low, bounds.high))
    return (Interval(*map(float, each)) for each in zip(values, low, high, strict=True))


def paired_p(a: np.ndarray, b: np.ndarray) -> float:
    """Of no difference in the mean, by the paired t test over N seeds or images; 1 where all differences are 0."""
    if np.array_equal(a, b):
        return 1.0
    if np.ptp(b - a) == 0:  # one difference, N times: no variance to test it against
        return float("nan") if len(a) < 2 else 0.0
    return float(stats.ttest_rel(a, b).pvalue)


def sign_flip(a: np.ndarray, b: np.ndarray) -> float:
    """Exact p of no difference over S seeds, by all 2^S flips of the sign of each difference."""
    return float(stats.permutation_test(
        (b - a,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    ).pvalue) if len(a) > 1 else 1.0  # fmt: skip


def smallest_p(seeds: int) -> float:
    """The smallest p that a two-sided sign-flip test over so many seeds can reach: 2 / 2^S."""
    return min(1.0, 2.0 * 0.5**seeds)


def discordance(a: np.ndarray, b: np.ndarray) -> Discordance:
    """Of two rows on the same N images; `a`, `b`: (N,) bool, right or wrong (McNemar 1947, exact)."""
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    table = [[int((a & b).sum()), only_a], [only_b, int((~a & ~b).sum())]]
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


def equivalent(a: np.ndarray, b: np.ndarray, margin: float) -> bool:
    """Whether b - a lies within `margin` of 0, by two one-sided paired t tests (Schuirmann 1987)."""
    if np.ptp(b.astype(float) - a) == 0:
        return bool(abs(float(b[0]) - float(a[0])) < margin)
    return bool(ttost_paired(b.astype(float), a.astype(float), -margin, margin)[0] < ALPHA)


def detectable(discordant: float, n: int) -> float:
    """The difference of two accuracies that one test on n images finds with power 0.8, as a fraction.

    `discordant`: the share of images on which the rows disagree.
    """
    effect = TTestPower().solve_power(nobs=n, alpha=ALPHA, power=0.8, alternative="two-sided")
    return float(effect * np.sqrt(discordant))


def independent(correct: float, published: float, n: int, published_n: int) -> Interval:
    """Measured minus published accuracy, as if on independent test sets (Newcombe 1998). Fractions."""
    k, m = round(correct * n), round(published * published_n)
    low, high = confint_proportions_2indep(k, n, m, published_n, method="newcomb", compare="diff", alpha=ALPHA)
    return Interval(correct - published, float(low), float(high))


def kendall(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Rank agreement, tau-b in [-1, 1] (Kendall 1945). None where one of them does not vary."""
    found = float(stats.kendalltau(a, b).statistic)
    return None if np.isnan(found) else found


def macro_f1_draws(
    labels: np.ndarray, answers: np.ndarray, classes: int, resamples: int = RESAMPLES, seed: int = 0
) -> np.ndarray:
    """Macro-F1 of each of A answers to the same images, under `resamples` bootstrap samples of these: (resamples, A).

    `labels`: (N,); `answers`: (A, N). The images are counted by what was said of them, and the counts are drawn from a
    multinomial distribution: that is the bootstrap over images (Efron 1979), without drawing an image. Classes that
    neither occur nor are predicted do not count, as in `evaluation.scores`.
    """
    kinds, counts = np.unique(np.vstack([labels, answers]).astype(np.int16), axis=1, return_counts=True)
    rng, found = np.random.default_rng(seed), []
    for first in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - first)
        draws = rng.multinomial(len(labels), counts / counts.sum(), size=size).astype(np.float32)
        found.append(np.stack([f1(draws, kinds[0], answer, classes) for answer in kinds[1:]], axis=1))
    return np.concatenate(found)


def f1(draws: np.ndarray, labels: np.ndarray, answer: np.ndarray, classes: int, average: str = "macro") -> np.ndarray:
    """F1 of one answer under B samples: `draws` (B, N) says how often each of N images, or kinds of image, occurs.

    `average`: macro over the classes that occur or are predicted, or weighted by how often a class occurs.
    """
    is_true, is_said = (
        (each[:, None] == np.arange(classes)).astype(np.float32) for each in (labels.astype(int), answer.astype(int))
    )
    hits, true, said = draws @ (is_true * is_said), draws @ is_true, draws @ is_said
    total = true + said
    each_class = np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
    weights = true if average == "weighted" else (total > 0).astype(np.float32)
    found: np.ndarray = (each_class * weights).sum(axis=1) / weights.sum(axis=1)
    return found


def percentile(value: float, draws: np.ndarray) -> Interval:
    """The percentile interval of a bootstrap around the measured `value`."""
    low, high = np.percentile(draws, TAILS)
    return Interval(value, float(low), float(high))


def image_weights(n: int, resamples: int, seed: int = 0) -> np.ndarray:
    """How often each of n images occurs in each bootstrap sample: (resamples, n), float32; rows sum to n."""
    found: np.ndarray = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    return found.astype(np.float32)


def estimable(design: np.ndarray, term: np.ndarray) -> bool:
    """Whether the data tell each column of `term` from everything in `design`. Shapes: (R, p), (R, q), q >= 1."""
    rank = np.linalg.matrix_rank
    return bool(rank(np.hstack([design, term])) == rank(design) + term.shape[1])


def main_effects(design: np.ndarray, correct: np.ndarray) -> list[Interval]:
    """Coefficients of a linear model of right (1) and wrong (0), with intervals over images.

    `design`: (R, p) of full rank; `correct`: (R, N), all rows on the same images. Every image has the same design, so
    the model is fitted to each image alone, and a coefficient's interval is that of its mean over images: the
    cluster-robust interval with images as clusters (Liang & Zeger 1986), without its degrees-of-freedom factor.
    """
    return [mean(each) for each in np.linalg.pinv(design) @ correct.astype(float)]
