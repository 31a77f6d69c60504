"""Scores of predicted classes, in NumPy alone: accuracy, F1 and cross-entropy, and F1 under bootstrap samples."""

import numpy as np

MOST_INDICATORS = 2**23  # numbers that are multiplied with the samples at a time: 32 MiB
LEAST = 1e-7  # smaller probabilities count as this one in a loss, as in Keras


def losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the cross-entropy of each image, in nats, (N,).

    `labels`: (N,), counted from 0. `probabilities`: (N, K); clipped at LEAST.
    """
    likelihoods = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    nats: np.ndarray = -np.log(np.clip(likelihoods, LEAST, 1.0))
    return nats


def scores(labels: np.ndarray, predictions: np.ndarray, loss: np.ndarray) -> dict[str, float]:
    """Return mean loss, accuracy and F1 (macro, weighted, micro) of N >= 1 images.

    Macro-F1 is the mean over the classes that have images, because a class without images has no F1. Predictions of
    such a class count against the classes of the images that were predicted as that class. Every macro-F1 of the
    package follows this definition.

    scikit-learn's functions give the same numbers, but each of these functions takes milliseconds. Scores are computed
    once an epoch and three times a trial, so this function counts by itself.

    Args:
        labels: true classes, (N,), counted from 0.
        predictions: predicted classes, (N,), counted from 0.
        loss: losses of images, in nats, (N,).

    Returns:
        "loss" in nats; "accuracy", "macro_f1", "weighted_f1" and "micro_f1" as fractions.
    """
    labels, predictions = labels.astype(np.intp), predictions.astype(np.intp)
    n_classes = max(labels.max(), predictions.max()) + 1
    true, predicted, correct = (
        np.bincount(values, minlength=n_classes) for values in (labels, predictions, labels[labels == predictions])
    )
    present = true > 0
    f1 = 2 * correct[present] / (true + predicted)[present]
    accuracy = correct.sum() / len(labels)
    values = {
        "loss": loss.mean(),
        "accuracy": accuracy,
        "macro_f1": f1.mean(),
        "weighted_f1": np.average(f1, weights=true[present]),
        "micro_f1": accuracy,  # equal to accuracy where each image has one label
    }
    return {name: float(value) for name, value in values.items()}


def macro_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return macro-F1, a fraction, as `scores` defines it, from labels and predictions (N,); needs no losses."""
    return scores(labels, predictions, np.zeros(1))["macro_f1"]


def f1(
    weights: np.ndarray, labels: np.ndarray, predictions: np.ndarray, classes: int, average: str = "macro"
) -> np.ndarray:
    """Return the averaged F1 of A sets of predictions under B samples of the N images, (A, B), as fractions.

    Args:
        weights: how often each image occurs in a sample, (B, N).
        labels: true classes, (N,), counted from 0.
        predictions: predicted classes, (A, N), counted from 0.
        classes: K, the number of classes.
        average: "macro", the mean over the classes that have images in the sample, as in `scores`; or "weighted", by
            how often a class occurs in the sample.
    """
    class_indices = np.arange(classes)
    is_true = (labels == class_indices[:, None]).astype(np.float32)  # (K, N)
    support = (weights @ is_true.T).astype(float)
    parts = min(len(predictions), -(-2 * predictions.size * classes // MOST_INDICATORS))
    return np.concatenate([
        [average_f1(scores, support, average) for scores in class_f1(weights, support, is_true, group)]
        for group in np.array_split(predictions, parts)
    ])  # fmt: skip


def class_f1(weights: np.ndarray, support: np.ndarray, is_true: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return the F1 of each class of A sets of predictions in each sample, (A, B, K), as fractions.

    The F1 is 0 for a class that occurs in no label and in no prediction of the sample. All counts come from one
    product of matrices; small products cost a multiple. They are whole numbers below 2^24, so float32 is exact.

    Args:
        weights: how often each image occurs in a sample, (B, N).
        support: how often each class occurs in a sample, (B, K).
        is_true: 1 where the image is of the class, otherwise 0, (K, N).
        predictions: predicted classes, (A, N), counted from 0.
    """
    n_classes, n = is_true.shape
    is_predicted = (predictions[:, None] == np.arange(n_classes)[:, None]).astype(np.float32)  # (A, K, N)
    indicators = np.stack([is_predicted * is_true, is_predicted], axis=1).reshape(-1, n)
    counts = (weights @ indicators.T).astype(float).reshape(len(weights), -1, 2, n_classes)
    hits, predicted = counts.transpose(2, 1, 0, 3)
    f1_scores: np.ndarray = 2 * hits / np.maximum(support + predicted, 1)
    return f1_scores


def average_f1(per_class: np.ndarray, support: np.ndarray, average: str) -> np.ndarray:
    """Return the mean F1 over classes in each sample, (B,). A class without images in a sample enters no mean.

    Args:
        per_class: F1 of each class in each sample, (B, K).
        support: how often each class occurs in a sample, (B, K).
        average: "weighted", by `support`; any other value gives the macro average.
    """
    class_weights = support if average == "weighted" else (support > 0).astype(float)
    averages: np.ndarray = (per_class * class_weights).sum(axis=1) / class_weights.sum(axis=1)
    return averages
