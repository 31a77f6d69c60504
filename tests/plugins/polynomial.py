"""A regression in thirty lines: polynomials through points that are drawn anew for each seed."""

import numpy as np
from pydantic import BaseModel, Field

from ablation.experiments.protocol import Prepared
from ablation.measures.regression import mae, rmse
from ablation.store.record import Inputs

name, version = "polynomial", 1
measures = {"mae": mae("m"), "rmse": rmse("m")}
options = ("noise",)
SIZES = {"train": 30, "val": 40, "test": 200}


class factors(BaseModel, frozen=True, extra="forbid", strict=True):
    degree: int = Field(1, ge=0, le=9, title="Degree")
    ridge: float = Field(0.0, ge=0, le=10, title="Ridge")


def prepare(request, watch):
    return Prepared(Inputs(digests={"noise": str(request.options.get("noise", 0.2))}, sizes=SIZES))


def train(training, run):
    noise, levels = float(training.digests["noise"]), training.condition
    x = {split: np.random.default_rng(i).uniform(-1, 1, n) for i, (split, n) in enumerate(SIZES.items())}
    y = {split: np.sin(3 * x[split]) + np.random.default_rng(9).normal(0, noise, len(x[split])) for split in x}
    drawn = np.random.default_rng(training.seed).integers(0, 30, 30)
    basis = np.vander(x["train"][drawn], levels.degree + 1)
    fit = np.linalg.solve(
        basis.T @ basis + (levels.ridge + 1e-9) * np.eye(levels.degree + 1), basis.T @ y["train"][drawn]
    )
    tables = {s: {"label": y[s], "predicted": np.vander(x[s], levels.degree + 1) @ fit} for s in ("val", "test")}
    run.result(**tables, parameters=levels.degree + 1)
