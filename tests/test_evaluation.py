"""Scores: counted here, and equal to scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from ablation.statistics.evaluation import scores

PAIRS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=60)


@given(PAIRS)
def test_scores_are_scikit_learns(pairs: list[tuple[int, int]]):
    """Accuracy and each F1 are scikit-learn's, where classes are missing or never predicted too."""
    labels, predictions = np.array(pairs).T
    found = scores(labels, predictions.astype(np.int16), np.ones(len(pairs), np.float32))
    expected = {
        f"{average}_f1": metrics.f1_score(labels, predictions, average=average, zero_division=0)
        for average in ("macro", "weighted", "micro")
    }
    expected |= {"accuracy": metrics.accuracy_score(labels, predictions), "loss": 1.0}
    assert found == pytest.approx(expected, rel=1e-14, abs=0)
