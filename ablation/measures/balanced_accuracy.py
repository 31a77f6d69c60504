"""Balanced accuracy: the mean recall of the classes that have examples."""

from collections.abc import Sequence

import numpy as np

from ablation.measures.measure import AGGREGATE, SHARE, Columns, Measure


def _recalls(predictions: Sequence[Columns], weights: np.ndarray) -> np.ndarray:
    """Return the mean recall of A sets of predictions for the same N examples under B samples, (A, B).

    A class without examples in a sample enters no mean.

    `weights`: how often each example occurs in a sample, (B, N).
    """
    labels = predictions[0]["label"]
    is_true = (labels == np.unique(labels)[:, None]).astype(np.float32)
    support = (weights @ is_true.T).astype(float)
    hits = (weights @ (is_true * (columns["predicted"] == labels)).T for columns in predictions)
    with np.errstate(invalid="ignore"):
        means = [(right / np.maximum(support, 1)).sum(axis=1) / (support > 0).sum(axis=1) for right in hits]
    return np.stack(means)


def _value(columns: Columns) -> float:
    """Return the mean recall of all examples."""
    return float(_recalls([columns], np.ones((1, len(columns["label"])), np.float32))[0, 0])


BALANCED_ACCURACY = Measure(
    "balanced_accuracy", "balanced accuracy", "%", kind=AGGREGATE, needs=("label", "predicted"), aggregate=_value,
    resampled=_recalls, bounds=SHARE, heading="Bal. acc.", smooth=True,
)  # fmt: skip
