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
    """Mean loss, accuracy and F1 (macro over the classes that occur, weighted, micro), from arrays of shape (N,)."""
    f1 = {a: metrics.f1_score(labels, predictions, average=a, zero_division=0) for a in ("macro", "weighted", "micro")}
    found = {"loss": loss.mean(), "accuracy": metrics.accuracy_score(labels, predictions)}
    found |= {f"{average}_f1": value for average, value in f1.items()}
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


def majority(labels: np.ndarray) -> float:
    """Share of the most frequent class: the accuracy of always guessing it."""
    return float(np.bincount(labels).max() / len(labels))
