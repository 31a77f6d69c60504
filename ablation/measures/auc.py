"""Area under the ROC curve: of a score for two classes, or the mean over classes against the others.

scikit-learn computes one area at a time. The bootstrap needs thousands, so ranks are found once for all samples.
"""

from collections.abc import Sequence

import numpy as np

from ablation.measures.measure import AGGREGATE, SHARE, Columns, Measure


def _areas(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve in each of B samples, (B,), by ranks (Mann & Whitney 1947).

    The area is the share of pairs in which the positive example has the higher score; ties count half. The area is nan
    where positive or negative examples are missing.

    Args:
        scores: score of each example, (N,); a high score speaks for the positive class.
        positive: whether each example is of the positive class, (N,) bool.
        weights: how often each example occurs in a sample, (B, N).
    """
    negatives = np.flatnonzero(~positive)
    negatives, positives = negatives[np.argsort(scores[negatives])], np.flatnonzero(positive)
    below = np.zeros((len(weights), len(negatives) + 1), weights.dtype)
    np.cumsum(weights[:, negatives], axis=1, out=below[:, 1:])
    first, last = (np.searchsorted(scores[negatives], scores[positives], side) for side in ("left", "right"))
    weighted = weights[:, positives]
    won = (weighted * (below[:, first] + below[:, last])).sum(axis=1, dtype=float) / 2
    with np.errstate(invalid="ignore"):
        areas: np.ndarray = won / (weighted.sum(axis=1, dtype=float) * below[:, -1])
    return areas


def _macro(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean area of each class against the others in each of B samples, (B,).

    A class enters the mean where the sample has examples of the class and of others.

    Args:
        probabilities: probability of each class, (N, K).
        labels: true classes, (N,), counted from 0.
        weights: how often each example occurs in a sample, (B, N).
    """
    areas = np.stack([_areas(probabilities[:, k], labels == k, weights) for k in np.unique(labels)])
    defined = ~np.isnan(areas)
    with np.errstate(invalid="ignore"):
        means: np.ndarray = np.where(defined, areas, 0.0).sum(axis=0) / defined.sum(axis=0)
    return means


def auc(classes: int = 2, column: str = "probability") -> Measure:
    """Return the area under the ROC curve; with more than two classes, the mean of each class against the others.

    Bootstrap samples are stratified: they have as many examples of each class as the examples themselves.

    Args:
        classes: number of classes, K.
        column: column of the scores: (N,), high for the class 1, or (N, K), one of each class.
    """

    def of_samples(columns: Columns, weights: np.ndarray) -> np.ndarray:
        """Return the area in each of B samples, (B,)."""
        labels, scores = columns["label"], columns[column]
        if scores.ndim == 2 and classes > 2:
            return _macro(scores, labels, weights)
        return _areas(scores if scores.ndim == 1 else scores[:, 1], labels.astype(bool), weights)

    def aggregate(columns: Columns) -> float:
        """Return the area of all examples."""
        return float(of_samples(columns, np.ones((1, len(columns["label"]))))[0])

    def resampled(predictions: Sequence[Columns], weights: np.ndarray) -> np.ndarray:
        """Return the area of A sets of predictions under B samples of the examples, (A, B)."""
        return np.stack([of_samples(columns, weights) for columns in predictions])

    title = "AUC" if classes == 2 else "macro-AUC"
    return Measure(
        "auc", title, decimals=3, kind=AGGREGATE, needs=("label", column), aggregate=aggregate, resampled=resampled,
        bounds=SHARE, heading="AUC", stratified=True, smooth=True,
    )  # fmt: skip
