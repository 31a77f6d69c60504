"""Scores of each class and confusion matrix from labels and predictions."""

from typing import NamedTuple

import numpy as np
from sklearn import metrics

from ablation.statistics.classification import losses, macro_f1, scores

__all__ = ["ClassScores", "class_scores", "confusion", "losses", "macro_f1", "scores"]


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Return the confusion matrix, counts (K, K): true classes down, predicted classes across.

    `labels`, `predictions`: (N,), counted from 0. `classes`: K, the number of classes.
    """
    matrix: np.ndarray = metrics.confusion_matrix(labels, predictions, labels=range(classes))
    return matrix


class ClassScores(NamedTuple):
    """Scores of each of K classes, arrays of shape (K,): fractions, and the number of images."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


def class_scores(labels: np.ndarray, predictions: np.ndarray, classes: int) -> ClassScores:
    """Return precision, recall, F1 and support of each of K classes, by the position of the class, not by its name.

    A quotient with the denominator 0 is 0: the precision of a class that is never predicted, the recall of a class
    without images. `labels`, `predictions`: (N,), counted from 0. `classes`: K, the number of classes.
    """
    per_class = metrics.precision_recall_fscore_support(labels, predictions, labels=range(classes), zero_division=0)
    return ClassScores(*per_class)
