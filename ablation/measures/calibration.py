"""Expected calibration error: how far the probability of the predicted class lies from its accuracy."""

import numpy as np

from ablation.measures.measure import AGGREGATE, SHARE, Columns, Measure
from ablation.measures.probabilities import NEEDS, of_classes

BINS = 15


def _error(columns: Columns) -> float:
    """Return the expected calibration error over BINS bins of equal mass (Nguyen & O'Connor 2015)."""
    probabilities = of_classes(columns)
    confidences, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == columns["label"]
    edges = np.quantile(confidences, np.linspace(0, 1, BINS + 1)[1:-1])
    bins = np.searchsorted(edges, confidences)
    gaps = np.bincount(bins, weights=confidences - correct, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidences))


ECE = Measure(
    "ece", f"calibration error ({BINS} bins of equal mass)", decimals=3, best="low", kind=AGGREGATE, needs=NEEDS,
    aggregate=_error, bounds=SHARE, heading="ECE", descriptive=True,
)  # fmt: skip
"""Descriptive: chance alone gives an error above 0, so the bootstrap's interval lies above the truth."""
