"""Predictions of one trial for the examples of a split, as columns of arrays, and the scores that the trial reports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ablation.measures.measure import Measure
from ablation.store.record import Record
from ablation.store.result import Predictions, Result, read_columns, write_columns
from ablation.store.workspace import Workspace
from ablation.study.grid import Trial
from ablation.study.levels import Condition


@dataclass(frozen=True)
class Examples:
    """Predictions of one trial for N examples.

    `columns`: name -> array (N, ...), including "label"; {} where no predictions are available. `numbers`: measure ->
    value that the trial reports.
    """

    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Mapping[str, object]) -> "Examples":
        """Return the examples of one mapping: arrays become columns, values without a dimension become numbers."""
        arrays = {name: np.asarray(value) for name, value in content.items()}
        columns = {name: array for name, array in arrays.items() if array.ndim}
        return cls(columns, {name: float(array) for name, array in arrays.items() if not array.ndim})

    def write(self, path: Path) -> str:
        """Write one .npz file and return its sha256. The same content gives the same bytes."""
        content = {**self.columns, **{name: np.float64(value) for name, value in self.numbers.items()}}
        return write_columns(path, {name: content[name] for name in sorted(content)})

    @classmethod
    def read(cls, path: Path, sha256: str) -> "Examples":
        """Return the examples in a file. Raises AblateError where the file is missing or has another sha256."""
        return cls.of(read_columns(path, sha256))

    def score(self, measure: Measure) -> float | None:
        """Return a measure computed from the examples, otherwise the value that the trial reports, otherwise None."""
        if measure.follows_from(self.columns):
            return measure.value(self.columns)
        return self.numbers.get(measure.name)

    def scored(self, measures: Mapping[str, Measure]) -> dict[str, float]:
        """Return measure -> value, for the measures with a value."""
        values = {name: self.score(measure) for name, measure in measures.items()}
        return {name: value for name, value in values.items() if value is not None}


Opener = Callable[[Trial, Result], Examples]  # reads the predictions of a finished trial for one split


def opener(workspace: Workspace, record: Record, split: str) -> Opener:
    """Return a function that reads the examples of one trial: the predictions of all trials would not fit in memory."""
    labels = record.inputs.labels(workspace, split)
    read = _columns(workspace, record, split) if labels is None else _classes(workspace, record, split, labels)

    def opened(trial: Trial, result: Result) -> Examples:
        numbers = result.scores.get(split, {})
        if split not in result.predictions:
            return Examples({}, numbers)
        examples = read(trial, result)
        return Examples(examples.columns, {**numbers, **examples.numbers})

    return opened


def _classes(workspace: Workspace, record: Record, split: str, labels: Callable[[Condition], np.ndarray]) -> Opener:
    """Return a reader for labels that are stored once for all trainings, and predictions that each training stores.

    Groups are read where the study's units are groups.
    """
    groups = record.inputs.groups(workspace, split) if record.by_group else None

    def opened(trial: Trial, result: Result) -> Examples:
        path = workspace.training(record.training_key(trial)).predictions(split, trial.step)
        predictions = Predictions.read(path, result.predictions[split])
        columns = {
            "predicted": predictions.classes,
            "probability": predictions.probabilities,
            "loss": predictions.losses,
        }
        group = {"group": groups(trial.condition)} if groups else {}
        return Examples({"label": labels(trial.condition), **group, **columns})

    return opened


def _columns(workspace: Workspace, record: Record, split: str) -> Opener:
    """Return a reader for trainings that store all columns of a split in one file."""

    def opened(trial: Trial, result: Result) -> Examples:
        path = workspace.training(record.training_key(trial)).predictions(split, trial.step)
        return Examples.read(path, result.predictions[split])

    return opened
