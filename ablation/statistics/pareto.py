"""Pareto front of rows by two numbers: a score and a cost."""

import numpy as np


def front(scores: np.ndarray, costs: np.ndarray, lowest: bool = False, most: bool = False) -> np.ndarray:
    """Return which of N rows are Pareto optimal, (N,), as booleans.

    A row is Pareto optimal if no other row dominates it: is at least as good in both numbers, and better in one. Rows
    that are equal in both numbers do not dominate each other. A row with a nan is compared with no row, and is not
    optimal.

    Args:
        scores: score of each row, (N,).
        costs: cost of each row, (N,).
        lowest: the lowest score is the best; otherwise the highest.
        most: the highest cost is the best; otherwise the lowest.
    """
    gains, losses = (-scores if lowest else scores), (-costs if most else costs)
    optimal = np.zeros(len(scores), bool)
    best_gain, its_loss = -np.inf, np.nan
    for row in np.lexsort((-gains, losses)):  # from the cheapest row; of equal costs, the best score first
        if gains[row] > best_gain and not np.isnan(losses[row]):
            best_gain, its_loss = gains[row], losses[row]
        optimal[row] = gains[row] == best_gain and losses[row] == its_loss
    return optimal
