"""Scores of each class and confusion matrix from labels and predictions."""

from typing import NamedTuple

import numpy as np
from sklearn import metrics

from ablation.measures.classes import losses, macro_f1, scores

__all__ = ["ClassScores", "class_scores", "confusion", "losses", "macro_f1", "scores"]


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Counts (K, K): true classes down, predicted ones across."""
    matrix: np.ndarray = metrics.confusion_matrix(labels, predictions, labels=range(classes))
    return matrix


class ClassScores(NamedTuple):
    """Scores of each of K classes, arrays of shape (K,): fractions, and the number of images."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


def class_scores(labels: np.ndarray, predictions: np.ndarray, classes: int) -> ClassScores:
    """Return precision, recall, F1 and support of each class, by its position: names play no part.

    What cannot be divided is 0: the precision of a class that is never predicted, the recall of one without images.
    """
    found = metrics.precision_recall_fscore_support(labels, predictions, labels=range(classes), zero_division=0)
    return ClassScores(*found)
