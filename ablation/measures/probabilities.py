"""Measures of predicted probabilities that are means over examples: log loss and Brier score.

The column `probability` has the shape (N,), the probability of the class 1, or (N, K), one of each class.
"""

import numpy as np

from ablation.measures.measure import BOUNDED, REAL, SHARE, Columns, Measure
from ablation.statistics.classification import LEAST, losses

NEEDS = ("label", "probability")


def of_classes(columns: Columns) -> np.ndarray:
    """Return the probability of each class, (N, K), also where a column holds that of the class 1 alone."""
    probabilities = columns["probability"].astype(float)
    return probabilities if probabilities.ndim == 2 else np.stack([1 - probabilities, probabilities], axis=1)


def _log_loss(columns: Columns) -> np.ndarray:
    """Return the cross-entropy of each of N examples, (N,), in nats."""
    return losses(columns["label"].astype(np.intp), of_classes(columns))


LOG_LOSS = Measure(
    "log_loss", "log loss", "nats", best="low", kind=REAL, needs=NEEDS, per_example=_log_loss,
    bounds=(0.0, float(-np.log(LEAST))), heading="Log loss",
)  # fmt: skip


def brier(classes: int = 2) -> Measure:
    """Return the Brier score (1950), the mean squared error of probabilities.

    For two classes the score is (p - y)^2 of the class 1, from 0 to 1. For more classes it is the sum of the squared
    errors of all classes, from 0 to 2.

    `classes`: number of classes, K.
    """
    part, title = (0.5, "Brier score") if classes == 2 else (1.0, "multi-class Brier score")

    def per_example(columns: Columns) -> np.ndarray:
        """Return the Brier score of each of N examples, (N,)."""
        probabilities = of_classes(columns)
        true = columns["label"].astype(np.intp)[:, None] == np.arange(probabilities.shape[1])
        squares: np.ndarray = part * ((probabilities - true) ** 2).sum(axis=1)
        return squares

    return Measure(
        "brier", title, best="low", kind=BOUNDED if classes == 2 else REAL, needs=NEEDS, per_example=per_example,
        bounds=SHARE if classes == 2 else (0.0, 2.0), heading="Brier",
    )  # fmt: skip
