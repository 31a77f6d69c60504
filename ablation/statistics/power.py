"""Power of the exact McNemar test and of paired t tests, and the sizes that these tests need."""

from collections.abc import Callable
from math import sqrt

import numpy as np

from ablation.statistics.distributions import (
    binomial_cdf,
    binomial_isf,
    binomial_pmf,
    binomial_ppf,
    binomial_sf,
    chi_square_ppf,
    nct_cdf,
    nct_sf,
    t_isf,
)
from ablation.statistics.intervals import ALPHA

POWER = 0.8  # power that a plan aims at (Cohen 1988)
EXACT = 200  # below so many examples, power is enumerated; from here on, the normal approximation is close
LARGEST = 10_000_000  # examples or seeds: a search ends here
TAIL = 1e-12  # probability of the numbers of discordant examples that an enumeration leaves out, on each side
STEPS = 60  # of a bisection: as precise as a float
CERTAIN = 30.0  # standardized difference from which power is 1 to rounding, with 3 units and more


def mcnemar_power(difference: float, discordant: float, n: int, alpha: float = ALPHA) -> float:
    """Return the power of the exact two-sided McNemar test, by enumeration (Duffy 1984).

    The number K of discordant examples is binomial (n, q). Of K, those in favour of the second row are binomial
    (K, (q + d) / 2q). The test rejects where its p value is below `alpha`.

    Args:
        difference: true difference d of two shares, from 0 to `discordant`.
        discordant: probability q that the two rows disagree on an example.
        n: number of examples.
        alpha: significance level.

    Raises:
        ValueError: The difference is larger than the discordance, which is impossible.
    """
    if not 0 <= difference <= discordant <= 1:
        raise ValueError(f"a difference lies between 0 and the discordance, {discordant}; it is {difference}")
    if not discordant:
        return 0.0
    first, last = int(binomial_ppf(TAIL, n, discordant)), int(binomial_isf(TAIL, n, discordant))
    counts = np.arange(first, last + 1)
    critical = binomial_ppf(alpha / 2, counts, 0.5) - 1  # the largest count whose two-sided p is below alpha
    favoured = (discordant + difference) / (2 * discordant)
    rejected = binomial_cdf(critical, counts, favoured) + binomial_sf(counts - critical - 1, counts, favoured)
    return float((binomial_pmf(counts, n, discordant) * rejected).sum())


def mcnemar_detectable(discordant: float, n: int, power: float = POWER) -> float | None:
    """Return the smallest difference of two shares that the exact McNemar test detects with this power.

    A difference is at most the discordance. None is returned where no such difference reaches the power.

    Args:
        discordant: probability that the two rows disagree on an example.
        n: number of examples.
        power: power of the test.
    """
    if mcnemar_power(discordant, discordant, n) < power:
        return None
    return _with_power(power, lambda difference: mcnemar_power(difference, discordant, n), discordant)


def detectable_share(discordant: float, n: int) -> float | None:
    """Return the smallest difference of two shares that one test over examples detects with power POWER.

    Below EXACT examples, the power of the exact McNemar test is enumerated. From there on, the paired t test is the
    approximation; where its difference exceeds the discordance, and so is impossible, the power is enumerated too.

    Args:
        discordant: share of the examples on which two rows disagree.
        n: number of examples.

    Returns:
        The difference, a fraction; None where no possible difference reaches the power.
    """
    approximate = paired_t_detectable(sqrt(discordant), n) if n >= EXACT else np.inf
    return approximate if approximate <= discordant else mcnemar_detectable(discordant, n)


def paired_t_power(difference: float, deviation: float, n: int, alpha: float = ALPHA) -> float:
    """Return the power of the two-sided paired t test over n units, by the non-central t distribution.

    Args:
        difference: true mean of the paired differences.
        deviation: standard deviation of the paired differences, above 0, in the same unit.
        n: number of seeds or examples, at least 2.
        alpha: significance level.
    """
    noncentrality = min(abs(difference) / deviation, CERTAIN) * sqrt(n)
    critical = t_isf(alpha / 2, n - 1)
    return nct_sf(critical, n - 1, noncentrality) + nct_cdf(-critical, n - 1, noncentrality)


def paired_t_detectable(deviation: float, n: int, power: float = POWER) -> float:
    """Return the smallest difference that the paired t test over n units detects with this power.

    Args:
        deviation: standard deviation of the paired differences, above 0.
        n: number of seeds or examples, at least 3.
        power: power of the test.
    """
    return deviation * _with_power(power, lambda effect: paired_t_power(effect, 1.0, n), CERTAIN)


def _with_power(power: float, of_difference: Callable[[float], float], largest: float) -> float:
    """Return the difference, from 0 to `largest`, at which an increasing power reaches `power`, by bisection."""
    low, high = 0.0, largest
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if of_difference(middle) >= power else (middle, high)
    return high


def seeds_needed(difference: float, deviation: float, alpha: float = ALPHA, fewest: int = 3) -> int | None:
    """Return the number of seeds, or of other units, that the paired t test needs for power POWER.

    Args:
        difference: difference to detect, above 0.
        deviation: standard deviation of the paired differences, in the same unit.
        alpha: significance level.
        fewest: smallest number of units with a test.

    Returns:
        The number; None where it exceeds LARGEST.
    """
    if deviation == 0:
        return fewest
    return _smallest(lambda n: paired_t_power(difference, deviation, n, alpha), fewest)


def examples_needed(difference: float, discordant: float, alpha: float = ALPHA) -> int | None:
    """Return the number of examples that the exact McNemar test needs for power POWER, by enumeration.

    Args:
        difference: difference of two shares to detect, above 0 and at most `discordant`.
        discordant: probability that the two rows disagree on an example.
        alpha: significance level.

    Returns:
        The number; None where it exceeds LARGEST.
    """
    return _smallest(lambda n: mcnemar_power(difference, discordant, n, alpha), 1)


def _smallest(power: Callable[[int], float], fewest: int) -> int | None:
    """Return the smallest size with power POWER, by doubling and bisection; None where it exceeds LARGEST."""
    low, high = fewest - 1, fewest
    while power(high) < POWER:
        if high >= LARGEST:
            return None
        low, high = high, min(2 * high, LARGEST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def deviation_factor(degrees_of_freedom: int) -> float:
    """Return the factor from a standard deviation to the upper end of its 95 % interval, by chi-square.

    `degrees_of_freedom`: the number of values minus 1, at least 1.
    """
    return sqrt(degrees_of_freedom / chi_square_ppf(ALPHA / 2, degrees_of_freedom))
