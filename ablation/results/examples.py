"""What one trial says of the examples of a split: columns of arrays, and the numbers that it states beside them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ablation.datasets import splits
from ablation.grids.grid import Trial
from ablation.grids.record import Record
from ablation.measures.measure import Measure
from ablation.results.result import Predictions, Result, read_columns, write_columns
from ablation.workspace import Workspace


@dataclass(frozen=True)
class Examples:
    """`columns`: name -> array (N, ...) of N examples, "label" among them; {} where nothing is known of them.
    `numbers`: measure -> what the trial states by itself."""

    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Mapping[str, object]) -> "Examples":
        """Return what lies in one mapping: arrays are columns, what has no dimension is a number."""
        arrays = {name: np.asarray(value) for name, value in content.items()}
        columns = {name: array for name, array in arrays.items() if array.ndim}
        return cls(columns, {name: float(array) for name, array in arrays.items() if not array.ndim})

    def write(self, path: Path) -> str:
        """Write one file and return its sha256. The same content gives the same bytes."""
        content = {**self.columns, **{name: np.float64(value) for name, value in self.numbers.items()}}
        return write_columns(path, {name: content[name] for name in sorted(content)})

    @classmethod
    def read(cls, path: Path, sha256: str) -> "Examples":
        """Raises AblateError where the file is missing or is not the one whose sha256 is given."""
        return cls.of(read_columns(path, sha256))

    def score(self, measure: Measure) -> float | None:
        """Return the value of a measure: of the examples, else as the trial states it; None where neither is known."""
        if measure.follows_from(self.columns):
            return measure.value(self.columns)
        return self.numbers.get(measure.name)

    def scored(self, measures: Mapping[str, Measure]) -> dict[str, float]:
        """Return the value of each measure that is known."""
        values = {name: self.score(measure) for name, measure in measures.items()}
        return {name: value for name, value in values.items() if value is not None}


Opener = Callable[[Trial, Result], Examples]  # what a finished trial says of one split


def opener(workspace: Workspace, record: Record, split: str) -> Opener:
    """Return what reads one trial after the other: all predictions at once would fill the memory."""
    read = _images(workspace, record, split) if record.inputs.classes else _columns(workspace, record, split)

    def opened(trial: Trial, found: Result) -> Examples:
        numbers = found.scores.get(split, {})
        if split not in found.predictions:
            return Examples({}, numbers)
        examples = read(trial, found)
        return Examples(examples.columns, {**numbers, **examples.numbers})

    return opened


def _images(workspace: Workspace, record: Record, split: str) -> Opener:
    """The labels lie with the images, what the networks say of them with each training."""
    labels = {
        level: splits.read(workspace.images(record.inputs.images), key)[1][split]
        for level, key in record.inputs.splits.items()
    }

    def opened(trial: Trial, found: Result) -> Examples:
        path = workspace.training(record.training_key(trial)).predictions(split, trial.step)
        said = Predictions.read(path, found.predictions[split])
        columns = {"predicted": said.classes, "probability": said.probabilities, "loss": said.losses}
        return Examples({"label": labels[trial.condition.split], **columns})

    return opened


def _columns(workspace: Workspace, record: Record, split: str) -> Opener:
    """Each training has a file of its own for each split, in which all columns lie."""

    def opened(trial: Trial, found: Result) -> Examples:
        path = workspace.training(record.training_key(trial)).predictions(split, trial.step)
        return Examples.read(path, found.predictions[split])

    return opened
