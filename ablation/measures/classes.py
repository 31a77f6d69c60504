"""Measures of predicted classes: accuracy, F1 and cross-entropy; and the area under the ROC curve of a score."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from ablation.measures.auc import auc
from ablation.measures.measure import AGGREGATE, BINARY, REAL, SHARE, SPLITS, Columns, Measure
from ablation.statistics.classification import f1, scores


def _right(columns: Columns) -> np.ndarray:
    """Return whether each of N examples is predicted correctly, (N,) bool."""
    correct: np.ndarray = columns["predicted"] == columns["label"]
    return correct


def _loss(columns: Columns) -> np.ndarray:
    """Return the loss of each of N examples, (N,), in nats."""
    return columns["loss"]


def _f1_of(name: str, title: str, average: str, classes: int | None, splits: tuple[str, ...]) -> Measure:
    """Return the measure of one average of F1.

    Args:
        name: name of the measure, and key in the scores of `classification.scores`.
        title: title in a sentence.
        average: "macro" or "weighted".
        classes: number of classes; None counts as many as the labels and predictions show.
        splits: splits on which the measure is computed.
    """

    def aggregate(columns: Columns) -> float:
        """Return the averaged F1 of all examples, a fraction."""
        return scores(columns["label"], columns["predicted"], np.zeros(1))[name]

    def resampled(predictions: Sequence[Columns], weights: np.ndarray) -> np.ndarray:
        """Return the averaged F1 of A sets of predictions under B samples of the examples, (A, B)."""
        labels, predicted = predictions[0]["label"], np.stack([columns["predicted"] for columns in predictions])
        return f1(weights, labels, predicted, classes or int(max(labels.max(), predicted.max())) + 1, average)

    return Measure(
        name, title, "%", kind=AGGREGATE, needs=("label", "predicted"), aggregate=aggregate, resampled=resampled,
        bounds=SHARE, heading=title[0].upper() + title[1:], splits=splits, smooth=True,
    )  # fmt: skip


@lru_cache
def of_classes(classes: int | None = None, splits: tuple[str, ...] = SPLITS[1:]) -> Mapping[str, Measure]:
    """Return the measures of classification, by name.

    The examples have the columns `label` and `predicted` (both counted from 0) and `loss` (nats).

    Args:
        classes: number of classes; None counts as many as the labels and predictions show.
        splits: splits on which the measures are computed.
    """
    columns = ("label", "predicted")
    measures = (
        Measure("accuracy", "accuracy", "%", kind=BINARY, needs=columns, per_example=_right, bounds=SHARE,
                heading="Acc.", splits=splits),
        _f1_of("macro_f1", "macro-F1", "macro", classes, splits),
        _f1_of("weighted_f1", "weighted F1", "weighted", classes, splits),
        Measure("micro_f1", "micro-F1", "%", kind=BINARY, needs=columns, per_example=_right, bounds=SHARE,
                heading="Micro-F1", splits=splits),
        Measure("loss", "loss", "nats", best="low", kind=REAL, needs=("loss",), per_example=_loss,
                bounds=(0.0, np.inf), heading="Loss", splits=splits),
    )  # fmt: skip
    return {measure.name: measure for measure in measures}


AUC = auc(2, "score")
