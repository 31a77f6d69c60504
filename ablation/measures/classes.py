"""Measures of predicted classes: accuracy, F1 and cross-entropy; and area under the curve of a score."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from ablation.measures.measure import AGGREGATE, BINARY, REAL, SHARE, SPLITS, Columns, Measure


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


def f1(
    weights: np.ndarray, labels: np.ndarray, answers: np.ndarray, classes: int, average: str = "macro"
) -> np.ndarray:
    """F1 of A answers under B samples: (A, B). `weights`: (B, N), how often each image occurs in a sample.

    `labels`: (N,); `answers`: (A, N). `average`: macro over the classes that have images in the sample, as in
    `scores`, or weighted by how often a class occurs.
    """
    every = np.arange(classes)
    is_true = (labels == every[:, None]).astype(np.float32)  # (K, N)
    true = (weights @ is_true.T).astype(float)
    said = ((each == every[:, None]).astype(np.float32) for each in answers)
    return np.stack([average_f1(class_f1(weights, true, is_true, is_said), true, average) for is_said in said])


def class_f1(weights: np.ndarray, true: np.ndarray, is_true: np.ndarray, is_said: np.ndarray) -> np.ndarray:
    """Return the F1 of each class in each sample, (B, K), from how often each class occurs there: `true` (B, K)."""
    hits, said = np.hsplit((weights @ np.vstack([is_said * is_true, is_said]).T).astype(float), 2)
    found: np.ndarray = 2 * hits / np.maximum(true + said, 1)
    return found


def average_f1(each_class: np.ndarray, true: np.ndarray, average: str) -> np.ndarray:
    """Return the mean over classes in each sample, (B,). A class without images in a sample is in no mean."""
    shares = true if average == "weighted" else (true > 0).astype(float)
    found: np.ndarray = (each_class * shares).sum(axis=1) / shares.sum(axis=1)
    return found


def _right(columns: Columns) -> np.ndarray:
    found: np.ndarray = columns["predicted"] == columns["label"]
    return found


def _loss(columns: Columns) -> np.ndarray:
    return columns["loss"]


def _f1_of(name: str, title: str, average: str, classes: int | None, splits: tuple[str, ...]) -> Measure:
    """`classes`: how many there are; None: as many as the labels and predictions show."""

    def aggregate(columns: Columns) -> float:
        return scores(columns["label"], columns["predicted"], np.zeros(1))[name]

    def resampled(answers: Sequence[Columns], weights: np.ndarray) -> np.ndarray:
        labels, said = answers[0]["label"], np.stack([columns["predicted"] for columns in answers])
        return f1(weights, labels, said, classes or int(max(labels.max(), said.max())) + 1, average)

    return Measure(
        name, title, "%", kind=AGGREGATE, needs=("label", "predicted"), aggregate=aggregate, resampled=resampled,
        bounds=SHARE, heading=title[0].upper() + title[1:], splits=splits,
    )  # fmt: skip


@lru_cache
def of_classes(classes: int | None = None, splits: tuple[str, ...] = SPLITS[1:]) -> Mapping[str, Measure]:
    """Return the measures of examples with the columns `label`, `predicted` (both counted from 0) and `loss` (nats), by
    name. `classes`: how many there are; `splits`: on which they are measured."""
    said = ("label", "predicted")
    found = (
        Measure("accuracy", "accuracy", "%", kind=BINARY, needs=said, per_example=_right, bounds=SHARE,
                heading="Acc.", splits=splits),
        _f1_of("macro_f1", "macro-F1", "macro", classes, splits),
        _f1_of("weighted_f1", "weighted F1", "weighted", classes, splits),
        Measure("micro_f1", "micro-F1", "%", kind=BINARY, needs=said, per_example=_right, bounds=SHARE,
                heading="Micro-F1", splits=splits),
        Measure("loss", "loss", "nats", best="low", kind=REAL, needs=("loss",), per_example=_loss,
                bounds=(0.0, np.inf), heading="Loss", splits=splits),
    )  # fmt: skip
    return {measure.name: measure for measure in found}


def _auc(columns: Columns) -> float:
    """Mann and Whitney's share of pairs in which the positive example has the higher score; ties count half."""
    positive = columns["label"].astype(bool)
    _, place, counts = np.unique(columns["score"], return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    n, others = int(positive.sum()), int((~positive).sum())
    if not n or not others:
        return float("nan")
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * others))


AUC = Measure("auc", "AUC", decimals=3, kind=AGGREGATE, needs=("label", "score"), aggregate=_auc, bounds=SHARE)
