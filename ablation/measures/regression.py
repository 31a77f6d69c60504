"""Measures of predicted numbers: absolute and squared error."""

from collections.abc import Sequence

import numpy as np

from ablation.measures.measure import AGGREGATE, REAL, Columns, Measure

FROM_0 = (0.0, np.inf)


def _error(columns: Columns) -> np.ndarray:
    """Return the signed error of each of N examples, prediction minus label, (N,)."""
    errors: np.ndarray = columns["predicted"].astype(float) - columns["label"].astype(float)
    return errors


def _absolute(columns: Columns) -> np.ndarray:
    """Return the absolute error of each of N examples, (N,)."""
    errors: np.ndarray = np.abs(_error(columns))
    return errors


def _root(columns: Columns) -> float:
    """Return the root mean squared error of the examples."""
    return float(np.sqrt((_error(columns) ** 2).mean()))


def _roots(predictions: Sequence[Columns], weights: np.ndarray) -> np.ndarray:
    """Return the root mean squared error of A sets of predictions under B samples of the N examples, (A, B).

    `weights`: how often each example occurs in a sample, (B, N); a sample without examples gives nan.
    """
    squares = np.stack([_error(columns) ** 2 for columns in predictions])
    with np.errstate(invalid="ignore"):
        values: np.ndarray = np.sqrt(squares @ weights.T.astype(float) / weights.sum(axis=1))
    return values


def mae(unit: str = "", decimals: int = 3) -> Measure:
    """Return the mean absolute error of examples with the columns `label` and `predicted`, in `unit`."""
    return Measure("mae", "MAE", unit, decimals, "low", REAL, ("label", "predicted"), _absolute, bounds=FROM_0)


def rmse(unit: str = "", decimals: int = 3) -> Measure:
    """Return the root mean squared error of examples with the columns `label` and `predicted`, in `unit`."""
    return Measure(
        "rmse", "RMSE", unit, decimals, "low", AGGREGATE, ("label", "predicted"), aggregate=_root, resampled=_roots,
        bounds=FROM_0, smooth=True,
    )  # fmt: skip
