"""The Pareto front of scores and costs, against its definition."""

import numpy as np
import pytest

from ablation.statistics import pareto

pytestmark = pytest.mark.unit


def dominated(row: int, gains: np.ndarray, losses: np.ndarray) -> bool:
    """Return by the definition whether another row is at least as good in both numbers, and better in one."""
    no_worse = (gains >= gains[row]) & (losses <= losses[row])
    return bool((no_worse & ((gains > gains[row]) | (losses < losses[row]))).any())


@pytest.mark.parametrize("lowest", [False, True])
@pytest.mark.parametrize("most", [False, True])
def test_a_front_is_the_rows_that_no_row_dominates(lowest: bool, most: bool):
    """200 sets of rows with many ties, in every direction of the score and of the cost."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        scores, costs = rng.integers(0, 6, (2, rng.integers(1, 20))).astype(float)
        gains, losses = (-scores if lowest else scores), (-costs if most else costs)
        expected = [not dominated(row, gains, losses) for row in range(len(scores))]
        assert pareto.front(scores, costs, lowest, most).tolist() == expected


def test_equal_rows_do_not_dominate_each_other():
    """Rows 1 and 2 are equal in both numbers; row 3 costs the same and scores less; row 4 costs more for the same."""
    front = pareto.front(np.array([0.9, 0.9, 0.8, 0.9]), np.array([5.0, 5.0, 5.0, 6.0]))
    assert front.tolist() == [True, True, False, False]


def test_a_row_without_a_number_is_on_no_front():
    """A row without a score or without a cost hides no other row."""
    front = pareto.front(np.array([np.nan, 0.9, 0.5, 0.7]), np.array([1.0, np.nan, 2.0, 3.0]))
    assert front.tolist() == [False, False, True, True]
    assert pareto.front(np.empty(0), np.empty(0)).tolist() == []
