"""Measures of predicted numbers that compare variances: R2 and Pearson's correlation."""

from collections.abc import Sequence

import numpy as np

from ablation.measures.measure import AGGREGATE, Columns, Measure, Resampled

CONSTANT = 1e-12  # a variance that is a smaller part of the mean square is rounding alone
NEEDS = ("label", "predicted")


def _centered(values: np.ndarray) -> np.ndarray:
    """Return values minus their mean, (N,): sums of their squares are then exact enough."""
    numbers = values.astype(float)
    return np.asarray(numbers - numbers.mean())


def _variance(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the variance of N values in each of B samples, (B,); nan where all values of a sample are equal.

    `weights`: share of each example in a sample, (B, N). `values`: (N,), as `_centered` returns them.
    """
    squares = weights @ values**2
    variances = squares - (weights @ values) ** 2
    return np.where(variances > CONSTANT * squares, variances, np.nan)


def _shares(weights: np.ndarray) -> np.ndarray:
    """Return the share of each example in each of B samples, (B, N); nan for a sample without examples."""
    with np.errstate(invalid="ignore"):
        shares: np.ndarray = weights.astype(float) / weights.sum(axis=1, keepdims=True)
    return shares


def _r2(predictions: Sequence[Columns], weights: np.ndarray) -> np.ndarray:
    """Return R2 of A sets of predictions for the same N examples under B samples, (A, B)."""
    shares, labels = _shares(weights), predictions[0]["label"].astype(float)
    squares = np.stack([(columns["predicted"].astype(float) - labels) ** 2 for columns in predictions])
    return np.asarray(1 - squares @ shares.T / _variance(shares, _centered(labels)))


def _pearson(predictions: Sequence[Columns], weights: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of A sets of predictions under B samples of the same N examples, (A, B)."""
    shares, labels = _shares(weights), _centered(predictions[0]["label"])
    mean, spread = shares @ labels, np.sqrt(_variance(shares, labels))
    correlations = []
    for columns in predictions:
        predicted = _centered(columns["predicted"])
        covariance = shares @ (labels * predicted) - mean * (shares @ predicted)
        correlations.append(np.clip(covariance / spread / np.sqrt(_variance(shares, predicted)), -1, 1))
    return np.stack(correlations)


def _measure(name: str, title: str, lowest: float, resampled: Resampled) -> Measure:
    """Return the measure whose value is that of one sample with each example once."""

    def aggregate(columns: Columns) -> float:
        """Return the value of all examples; nan where all labels are equal."""
        return float(resampled([columns], np.ones((1, len(columns["label"]))))[0, 0])

    return Measure(
        name, title, kind=AGGREGATE, needs=NEEDS, aggregate=aggregate, resampled=resampled, bounds=(lowest, 1.0),
        smooth=True,
    )  # fmt: skip


R2 = _measure("r2", "R²", -np.inf, _r2)
PEARSON = _measure("pearson", "Pearson's r", -1.0, _pearson)
