"""Scores, scores of each class and confusion matrix from labels and predictions."""

from typing import NamedTuple

import numpy as np
from sklearn import metrics


def losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Cross-entropy of each image, in nats, shape (N,), from probabilities (N, K); clipped at 1e-7 as Keras does."""
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    found: np.ndarray = -np.log(np.clip(chosen, 1e-7, 1.0))
    return found


def scores(labels: np.ndarray, predictions: np.ndarray, loss: np.ndarray) -> dict[str, float]:
    """Mean loss, accuracy and F1 (macro, weighted, micro), from arrays of shape (N,).

    Macro-F1 is the mean over the classes that have images: a class without images has no F1. Predictions of such a
    class count against the classes whose images they took. Every macro-F1 of the package follows this definition.

    Counted here, once an epoch and three times a trial: scikit-learn's functions give the same numbers, and each of
    them takes milliseconds. N is at least 1.
    """
    labels, predictions = labels.astype(np.intp), predictions.astype(np.intp)
    most = max(labels.max(), predictions.max()) + 1
    true, guessed, right = (
        np.bincount(found, minlength=most) for found in (labels, predictions, labels[labels == predictions])
    )
    there = true > 0
    f1 = 2 * right[there] / (true + guessed)[there]
    accuracy = right.sum() / len(labels)
    found = {
        "loss": loss.mean(),
        "accuracy": accuracy,
        "macro_f1": f1.mean(),
        "weighted_f1": np.average(f1, weights=true[there]),
        "micro_f1": accuracy,  # where each image has one label, they are the same
    }
    return {name: float(value) for name, value in found.items()}


def macro_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return macro-F1 as `scores` defines it, where no losses are known."""
    return scores(labels, predictions, np.zeros(1))["macro_f1"]


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
