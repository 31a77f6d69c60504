"""Scores, report and confusion matrix from labels and predictions."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import metrics


def losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Cross-entropy of each image, in nats, shape (N,), from probabilities (N, K); clipped at 1e-7 as Keras does."""
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    found: np.ndarray = -np.log(np.clip(chosen, 1e-7, 1.0))
    return found


def scores(labels: np.ndarray, predictions: np.ndarray, loss: np.ndarray) -> dict[str, float]:
    """Mean loss, accuracy and F1 (macro over the classes that occur, weighted, micro), from arrays of shape (N,).

    Counted here, once an epoch and three times a trial: scikit-learn's functions give the same numbers, and each of
    them takes milliseconds. N is at least 1.
    """
    labels, predictions = labels.astype(np.intp), predictions.astype(np.intp)
    most = max(labels.max(), predictions.max()) + 1
    true, guessed, right = (
        np.bincount(found, minlength=most) for found in (labels, predictions, labels[labels == predictions])
    )
    occurs = true + guessed > 0
    f1 = 2 * right[occurs] / (true + guessed)[occurs]
    accuracy = right.sum() / len(labels)
    found = {
        "loss": loss.mean(),
        "accuracy": accuracy,
        "macro_f1": f1.mean(),
        "weighted_f1": np.average(f1, weights=true[occurs]),
        "micro_f1": accuracy,  # where each image has one label, they are the same
    }
    return {name: float(value) for name, value in found.items()}


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Counts (K, K): true classes down, predicted ones across."""
    matrix: np.ndarray = metrics.confusion_matrix(labels, predictions, labels=range(classes))
    return matrix


def report(labels: np.ndarray, predictions: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Precision, recall, F1 and support of each class and their averages (scikit-learn's classification report)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class that is never predicted has F1 = 0 by convention
        found: dict[str, Any] = metrics.classification_report(
            labels, predictions, labels=range(len(classes)), target_names=classes, output_dict=True, zero_division=0
        )
    return found
