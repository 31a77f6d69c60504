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


def nct_cdf(value: float, degrees: float, noncentrality: float) -> float:
    """Return the distribution function of the non-central t distribution; 0 for a tail too small for the algorithm."""
    return float(np.nan_to_num(special.nctdtr(degrees, noncentrality, value)))


def nct_sf(value: float, degrees: float, noncentrality: float) -> float:
    """Return the upper tail of the non-central t distribution."""
    return float(1 - special.nctdtr(degrees, noncentrality, value))


def normal_isf(tail: float) -> float:
    """Return the value of the standard normal distribution whose upper tail is `tail`."""
    return float(-special.ndtri(tail))


def _binomial(name: str) -> Any:
    ufunc = getattr(
        getattr(special, "_ufuncs", None), f"_binom_{name}", None
    )  # not public: a later SciPy may rename it
    return ufunc or getattr(stats.binom, name)


def binomial_pmf(successes: Any, n: Any, share: float) -> Any:
    """Return the probability of exactly so many successes of n trials; arrays are broadcast."""
    successes, n = np.asarray(successes, float), np.asarray(n, float)
    return np.where(successes > n, 0.0, _binomial("pmf")(np.minimum(successes, n), n, share))


def binomial_cdf(successes: Any, n: Any, share: float) -> Any:
    """Return the probability of at most so many successes of n trials; arrays are broadcast."""
    successes, n = np.asarray(successes, float), np.asarray(n, float)
    inside = _binomial("cdf")(np.clip(successes, 0, n), n, share)
    return np.where(successes < 0, 0.0, np.where(successes >= n, 1.0, inside))


def binomial_sf(successes: Any, n: Any, share: float) -> Any:
    """Return the probability of more than so many successes of n trials; arrays are broadcast."""
    successes, n = np.asarray(successes, float), np.asarray(n, float)
    inside = _binomial("sf")(np.clip(successes, 0, n), n, share)
    return np.where(successes < 0, 1.0, np.where(successes >= n, 0.0, inside))


def binomial_ppf(tail: float, n: Any, share: float) -> Any:
    """Return the smallest number of successes of n trials with a distribution function of at least `tail`."""
    return _binomial("ppf")(tail, np.asarray(n, float), share)


def binomial_isf(tail: float, n: Any, share: float) -> Any:
    """Return the smallest number of successes of n trials with an upper tail of at most `tail`."""
    return _binomial("isf")(tail, np.asarray(n, float), share)


def chi_square_sf(value: float, degrees: int) -> float:
    """Return the upper tail of the chi-square distribution."""
    return float(special.chdtrc(degrees, value))


def chi_square_ppf(share: float, degrees: int) -> float:
    """Return the quantile of the chi-square distribution."""
    return float(2 * special.gammaincinv(degrees / 2, share))


def t_test_p(values: np.ndarray) -> np.ndarray:
    """Return the two-sided p of the t test that the mean of each row of values, (P, N), is 0: (P,)."""
    n, means = values.shape[1], values.mean(axis=1)
    variances = ((values - means[:, None]) ** 2).mean(axis=1) * (n / (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2 * special.stdtr(n - 1, -np.abs(means / np.sqrt(variances / n))))
