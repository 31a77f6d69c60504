"""Measures of one column of the examples: the mean of a score, or the share of examples that are correct."""

from dataclasses import replace

import numpy as np

from ablation.errors import AblateError
from ablation.measures.measure import BINARY, REAL, SHARE, Columns, Measure, scalar
from ablation.measures.names import meaning


def mean_of(column: str, binary: bool = False) -> Measure:
    """Return the mean of a column as a measure, with the meaning that its name has.

    Args:
        column: name of the column, (N,), and of the measure.
        binary: True where the column holds 0 and 1 alone: correct or wrong.
    """

    def score(columns: Columns) -> np.ndarray:
        """Return the score of each of N examples, (N,). Raises AblateError where 0 or 1 was expected."""
        values: np.ndarray = columns[column].astype(float)
        if binary and not np.isin(values, (0, 1)).all():
            raise AblateError(f"column {column!r} holds other numbers than 0 and 1, unlike on validation")
        return values

    means = meaning(column) or replace(scalar(column), directed=False)
    if binary:
        means = replace(means, unit="%", bounds=SHARE)
    return replace(means, kind=BINARY if binary else REAL, needs=(column,), per_example=score)
