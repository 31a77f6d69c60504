"""Quantiles and tails of distributions, from the functions that scipy.stats calls: importing scipy.stats takes longer
than a table of nine rows. The results have the same bits, which tests/statistics/test_distributions.py compares."""

from typing import Any

import numpy as np
from scipy import special

from ablation.late_imports import late_import

stats = late_import("scipy.stats")


def t_isf(tail: Any, degrees: Any) -> Any:
    """Return the value of Student's t distribution whose upper tail is `tail`; arrays are broadcast."""
    return -special.stdtrit(degrees, tail)


def t_sf(value: Any, degrees: Any) -> Any:
    """Return the upper tail of Student's t distribution; arrays are broadcast."""
    return special.stdtr(degrees, -np.asarray(value))


def t_ppf(share: float, degrees: float) -> float:
    """Return the quantile of Student's t distribution."""
    return float(special.stdtrit(degrees, share))


def normal_isf(tail: float) -> float:
    """Return the value of the standard normal distribution whose upper tail is `tail`."""
    return float(-special.ndtri(tail))


def fair_binomial_cdf(successes: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the probability of at most so many successes of n trials with probability 1/2 each: (P,) from (P,)."""
    ufunc = getattr(getattr(special, "_ufuncs", None), "_binom_cdf", None)  # not public: a later SciPy may rename it
    if ufunc is None:
        return np.asarray(stats.binom.cdf(successes, n, 0.5))
    return np.where(successes >= n, 1.0, ufunc(np.asarray(successes, float), np.asarray(n, float), 0.5))


def chi_square_sf(value: float, degrees: int) -> float:
    """Return the upper tail of the chi-square distribution."""
    return float(special.chdtrc(degrees, value))


def t_test_p(values: np.ndarray) -> np.ndarray:
    """Return the two-sided p of the t test that the mean of each row of values, (P, N), is 0: (P,)."""
    n, means = values.shape[1], values.mean(axis=1)
    variances = ((values - means[:, None]) ** 2).mean(axis=1) * (n / (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2 * special.stdtr(n - 1, -np.abs(means / np.sqrt(variances / n))))
