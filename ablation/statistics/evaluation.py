"""Scores of each class and confusion matrix from labels and predictions."""

from typing import NamedTuple

import numpy as np

from ablation.statistics.classification import losses, macro_f1, scores

__all__ = ["ClassScores", "class_scores", "confusion", "losses", "macro_f1", "scores"]


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Return the confusion matrix, counts (K, K): true classes down, predicted classes across.

    `labels`, `predictions`: (N,), counted from 0. `classes`: K, the number of classes.
    """
    pairs = labels.astype(np.intp) * classes + predictions
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


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
    matrix = confusion(labels, predictions, classes)
    hits, predicted, support = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    denominators = predicted, support, predicted + support
    precision, recall, f1 = (
        numerator / np.maximum(1, denominator)
        for numerator, denominator in zip((hits, hits, 2 * hits), denominators, strict=True)
    )
    return ClassScores(precision, recall, f1, support)
