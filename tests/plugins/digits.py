"""A classification on real data: scikit-learn's digits, with a small network."""

import warnings

import numpy as np
from pydantic import BaseModel, Field
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from ablation.experiments.protocol import Prepared
from ablation.measures.from_columns import measures_of
from ablation.store.record import Inputs

name, version, primary = "digits", 1, "accuracy"
ORDER = np.random.default_rng(0).permutation(1797)
PARTS = {"train": ORDER[:300], "val": ORDER[300:600], "test": ORDER[600:]}
CLASSES = {"label": np.arange(10), "predicted": np.arange(10), "probability": np.eye(10)}
measures = measures_of(CLASSES, {})
detailed = ("accuracy", "balanced_accuracy", "log_loss")


class factors(BaseModel, frozen=True, extra="forbid", strict=True):
    width: int = Field(32, ge=1, le=512, title="Width")
    alpha: float = Field(1e-4, ge=0, le=10, title="Alpha")
    scaled: bool = Field(True, title="Scaled")


def prepare(request, watch):
    return Prepared(Inputs(digests={"data": "digits"}, sizes={part: len(rows) for part, rows in PARTS.items()}))


def train(training, run):
    x, y = load_digits(return_X_y=True)
    levels = training.condition
    x = x / 16 if levels.scaled else x
    model = MLPClassifier((levels.width,), alpha=levels.alpha, max_iter=30, random_state=training.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x[PARTS["train"]], y[PARTS["train"]])
    parameters = sum(weights.size for weights in (*model.coefs_, *model.intercepts_))
    run.result(parameters=parameters, **{
        part: {
            "id": rows, "label": y[rows], "predicted": model.predict(x[rows]),
            "probability": model.predict_proba(x[rows]),
        }
        for part, rows in PARTS.items() if part != "train"
    })  # fmt: skip
