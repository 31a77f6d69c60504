"""Agreement of two rankings: Kendall's tau-b with its p value, as scipy.stats computes both, which loads slowly."""

from collections.abc import Sequence
from math import factorial, sqrt

import numpy as np
from scipy import special

MOST_EXACT = 33  # values without ties up to which p is exact


def kendall(a: Sequence[float], b: Sequence[float]) -> tuple[float, float] | None:
    """Return the rank agreement Kendall's tau-b (1945), in [-1, 1], and its two-sided p value of no association.

    None is returned where one of the two does not vary. p is exact without ties and for few values, otherwise by the
    normal approximation whose variance takes ties into account (Kendall 1970, chapter 4).
    """
    n, upper = len(a), np.triu_indices(len(a), 1)
    n_pairs = n * (n - 1) // 2
    signs = np.sign(np.subtract.outer(a, a)[upper]) * np.sign(np.subtract.outer(b, b)[upper])
    ties = [np.unique(values, return_counts=True)[1] for values in (a, b)]
    tied = [int((t * (t - 1) // 2).sum()) for t in ties]
    if n_pairs in tied:
        return None
    excess = int(signs.sum())  # concordant minus discordant pairs
    tau = excess / sqrt(n_pairs - tied[0]) / sqrt(n_pairs - tied[1])
    fewer = (n_pairs - abs(excess)) // 2
    if not any(tied) and (n <= MOST_EXACT or fewer <= 1):
        return tau, _exact_p(n, fewer)
    m = n * (n - 1.0)
    cubic = [float((t * (t - 1) * (t - 2)).sum()) for t in ties]
    variance = (m * (2 * n + 5) - sum(float((t * (t - 1) * (2 * t + 5)).sum()) for t in ties)) / 18
    variance += 2 * tied[0] * tied[1] / m + (cubic[0] * cubic[1] / (9 * m * (n - 2)) if n > 2 else 0.0)
    return tau, float(2 * special.ndtr(-abs(excess) / sqrt(variance)))


def _exact_p(n: int, fewer: int) -> float:
    """Return twice the share of the n! orders of n values with at most `fewer` discordant pairs, at most 1."""
    orders = np.array([1], dtype=object)  # number of orders of j values with 0, 1, ... discordant pairs
    for j in range(2, n + 1):
        orders = np.convolve(orders, np.ones(j, dtype=object))[: fewer + 1]
    return min(1.0, float(2 * sum(orders) / factorial(n)))
