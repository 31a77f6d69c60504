"""A ranking on real data: scikit-learn's breast cancer, judged by the area under the ROC curve."""

import numpy as np
from pydantic import BaseModel, Field
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ablation.experiments.protocol import Prepared
from ablation.measures.from_columns import measures_of
from ablation.store.record import Inputs

name, version, primary = "breast_cancer", 1, "auc"
ORDER = np.random.default_rng(0).permutation(569)
PARTS = {"train": ORDER[:100], "val": ORDER[100:250], "test": ORDER[250:]}
measures = measures_of({"label": np.arange(2), "predicted": np.arange(2), "probability": np.ones((2, 2)) / 2}, {})
detailed = ("auc", "brier")


class factors(BaseModel, frozen=True, extra="forbid", strict=True):
    penalty: float = Field(1.0, gt=0, le=1e6, title="C")
    columns: int = Field(30, ge=1, le=30, title="Columns")


def prepare(request, watch):
    return Prepared(Inputs(digests={"data": "breast cancer"}, sizes={part: len(rows) for part, rows in PARTS.items()}))


def train(training, run):
    x, y = load_breast_cancer(return_X_y=True)
    x = x[:, : training.condition.columns]
    drawn = np.random.default_rng(training.seed).permutation(PARTS["train"])[:90]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=training.condition.penalty, max_iter=500))
    model.fit(x[drawn], y[drawn])
    run.result(**{
        part: {"id": rows, "label": y[rows], "predicted": model.predict(x[rows]),
               "probability": model.predict_proba(x[rows])}
        for part, rows in PARTS.items() if part != "train"
    })  # fmt: skip
