"""A regression on real data: scikit-learn's diabetes, with trees whose samples follow from the seed."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, Field
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor

from ablation.experiments.protocol import Prepared
from ablation.measures.from_columns import measures_of
from ablation.store.record import Inputs

name, version = "diabetes", 1
ORDER = np.random.default_rng(0).permutation(442)
PARTS = {"train": ORDER[:242], "val": ORDER[242:322], "test": ORDER[322:]}
NUMBERS = {"label": np.zeros(1), "predicted": np.zeros(1)}
measures = measures_of(NUMBERS, {})


class factors(BaseModel, frozen=True, extra="forbid", strict=True):
    trees: int = Field(20, ge=1, le=500, title="Trees")
    depth: int = Field(6, ge=1, le=30, title="Depth")
    features: Literal["all", "third"] = Field("all", title="Features")


def prepare(request, watch):
    return Prepared(Inputs(digests={"data": "diabetes"}, sizes={part: len(rows) for part, rows in PARTS.items()}))


def train(training, run):
    x, y = load_diabetes(return_X_y=True)
    levels = training.condition
    model = RandomForestRegressor(
        levels.trees, max_depth=levels.depth, max_features={"all": 1.0, "third": 1 / 3}[levels.features],
        random_state=training.seed,
    ).fit(x[PARTS["train"]], y[PARTS["train"]])  # fmt: skip
    run.result(**{
        part: {"id": PARTS[part], "label": y[PARTS[part]], "predicted": model.predict(x[PARTS[part]])}
        for part in ("val", "test")
    })  # fmt: skip
