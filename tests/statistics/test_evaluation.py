"""Scores: counted here, and equal to scikit-learn's over the classes that have images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from ablation.measures import classes
from ablation.statistics.evaluation import class_scores, macro_f1, scores

pytestmark = pytest.mark.unit

PAIRS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=60)


@given(PAIRS)
def test_scores_are_scikit_learns(pairs: list[tuple[int, int]]):
    """Accuracy and each F1 are scikit-learn's over the classes that have images, where classes are missing or never
    predicted too."""
    labels, predictions = np.array(pairs).T
    counted = scores(labels, predictions.astype(np.int16), np.ones(len(pairs), np.float32))
    expected = {
        f"{average}_f1": metrics.f1_score(labels, predictions, labels=np.unique(labels), average=average)
        for average in ("macro", "weighted")
    }
    accuracy = metrics.accuracy_score(labels, predictions)
    expected |= {"accuracy": accuracy, "micro_f1": accuracy, "loss": 1.0}
    assert counted == pytest.approx(expected, rel=1e-14, abs=0)


@given(PAIRS)
def test_macro_f1_is_one_number(pairs: list[tuple[int, int]]):
    """The score, the mean over the scores of classes, and the bootstrap's own where each image is drawn once, agree."""
    labels, predictions = np.array(pairs).T
    by_class = class_scores(labels, predictions, 9)
    of_classes = by_class.f1[by_class.support > 0].mean()
    once = classes.f1(np.ones((1, len(pairs)), np.float32), labels, predictions[None], 9)[0, 0]
    assert macro_f1(labels, predictions) == pytest.approx(of_classes, rel=1e-14)
    assert macro_f1(labels, predictions) == pytest.approx(once, rel=1e-14)


def test_an_absent_class_is_no_zero():
    """A class without images takes part in no mean, though predictions of it are wrong ones of the other classes."""
    labels, predictions = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    assert macro_f1(labels, predictions) == pytest.approx((2 / 3 + 1) / 2)


@given(PAIRS)
def test_class_scores_are_scikit_learns(pairs: list[tuple[int, int]]):
    """Precision, recall, F1 and support of each class stand at the place of the class, as the report has them."""
    labels, predictions = np.array(pairs).T
    report = metrics.classification_report(labels, predictions, labels=range(9), output_dict=True, zero_division=0)
    expected = [[report[str(k)][name] for k in range(9)] for name in ("precision", "recall", "f1-score", "support")]
    assert np.array_equal(np.array(class_scores(labels, predictions, 9)), np.array(expected))
