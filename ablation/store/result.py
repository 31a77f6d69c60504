"""Results and failures of trials, and their predictions, in files."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ablation.errors import BrokenFile
from ablation.measures import repeats
from ablation.outcomes import Status
from ablation.store.files import atomic, read_json, understood, write_json
from ablation.store.workspace import TrainingFolder


@dataclass(frozen=True)
class Predictions:
    """Predictions of a head for N images, in index order. Shapes: (N,) int16, (N, K) float16, (N,) float32 in nats."""

    classes: np.ndarray
    probabilities: np.ndarray
    losses: np.ndarray

    def write(self, path: Path) -> str:
        """Write the file and return its sha256. The same predictions give the same bytes."""
        return write_columns(path, vars(self))

    @classmethod
    def read(cls, path: Path, sha256: str) -> "Predictions":
        """Return the predictions in a file. Raises BrokenFile where it is missing or its sha256 differs."""
        return cls(**read_columns(path, sha256))


def check_columns(split: str, columns: Mapping[str, Any]) -> None:
    """Raise ValueError where columns differ in length, hold neither numbers nor texts, or are not finite in val.

    An example that occurs twice is an error too, without a column `repeat` or with two labels.
    """
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items() if array.ndim}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise ValueError(f"{split}: columns have unequal lengths ({text})")
    for name, array in arrays.items():
        if array.dtype.kind not in "biufU":
            raise ValueError(f"{split}: column {name!r} holds {array.dtype}; allowed: numbers and strings")
        if array.dtype.kind == "f" and split == "val" and not np.isfinite(array).all():
            raise ValueError(f"{split}: column {name!r} holds a number that is not finite")
    if fault := repeats.fault({name: array for name, array in arrays.items() if array.ndim}):
        raise ValueError(f"{split}: {fault}")


def write_columns(path: Path, columns: Mapping[str, Any]) -> str:
    """Write columns to an .npz file and return its sha256. The same columns give the same bytes."""
    with atomic(path) as temporary, open(temporary, "wb") as file:
        arrays: dict[str, Any] = {name: np.asarray(column) for name, column in columns.items()}
        np.savez(file, **arrays)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_columns(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """Return the columns of an .npz file. Raises BrokenFile where it is missing or has another sha256."""
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BrokenFile(path, "missing or changed since it was written")
    with np.load(BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@dataclass(frozen=True)
class Result:
    """Result of one finished trial.

    `scores`: "train" and "val" -> metric -> value, at the last epoch, dropout off. Test predictions are stored in a
    separate file and are scored only after selection. `history`: one mapping an epoch (train numbers with dropout on).
    `predictions`: "val" and "test" -> sha256 of the file. `attempts`: how often its training was started.
    `costs`: cost -> value, the numbers that the trial reports without a split. `weights`: sha256 of the kept weights.
    `memory`: largest memory of the worker's process, in bytes. `started`, `finished`: unix seconds; their difference is
    the duration of the training without interruptions.
    """

    outcome: Status
    epochs: int
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    predictions: dict[str, str] = field(default_factory=dict)
    parameters: int = 0
    attempts: int = 1
    memory: int = 0
    started: float = 0.0
    finished: float = 0.0
    error: str = ""
    environment: dict[str, Any] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    weights: str = ""

    @property
    def done(self) -> bool:
        return self.outcome is Status.DONE

    @property
    def reason(self) -> str:
        """Reason of the failure in one line: the last line of the traceback."""
        return (self.error.strip().splitlines() or [""])[-1]

    def best(self, metric: str, lowest: bool = False) -> dict[str, float]:
        """Return the history of the first epoch with the highest, or the lowest, metric; {} where no epoch has it."""
        epochs = [epoch for epoch in self.history if metric in epoch]
        return (min if lowest else max)(epochs, key=lambda epoch: epoch[metric], default={})

    @property
    def seconds(self) -> float:
        return self.finished - self.started


def write(folder: TrainingFolder, result: Result) -> None:
    """Write a result, once and after all other files of the trial, or write a failure to its separate file.

    A trial is done as soon as its result exists.
    """
    write_json(folder.result(result.epochs) if result.done else folder.failure, asdict(result))


def _check_fields(fields: Mapping[str, Any]) -> None:
    """Raise TypeError where a field of a result is of another type. Files of version 0.1 have no checksum."""
    mappings = [fields.get(name, {}) for name in ("scores", "predictions", "environment", "costs")]
    lines = [*fields.get("history", []), *fields.get("scores", {}).values()]
    numbers = [fields.get(name, 0) for name in ("epochs", "attempts", "started", "finished", "memory", "parameters")]
    numbers += [value for line in lines for value in line.values()]
    if not all(isinstance(one, dict) for one in mappings) or not all(isinstance(n, int | float) for n in numbers):
        raise TypeError("a field of another type")


def read_file(path: Path) -> Result | None:
    """Return the result in a file; None where the file is missing. Raises BrokenFile where the file is broken."""
    fields = read_json(path)
    with understood(path):
        _check_fields(fields or {})
        return Result(**fields | {"outcome": Status(fields["outcome"])}) if fields else None  # type: ignore[arg-type]


def all_of(folder: TrainingFolder) -> list[Result]:
    """Return the results of a training, one for each milestone reached."""
    return [result for path in folder.results() if (result := read_file(path))]


def failure(folder: TrainingFolder) -> Result | None:
    """Return the failure of the last attempt of a training; None where there is none.

    A failure is ignored where a later result has at least as many steps. Its file may still exist, because a process
    died before deleting the file.
    """
    failed = read_file(folder.failure)
    return failed if failed and not any(later(result, failed) for result in all_of(folder)) else None


def later(result: Result, failed: Result) -> bool:
    """Return whether a result is of a later attempt than a failure, with at least as many epochs.

    Attempts are compared by their number, since the clock may be set back between them, and within one by time.
    """
    is_later = (result.attempts, result.finished) >= (failed.attempts, failed.finished)
    return result.epochs >= failed.epochs and is_later


def read(folder: TrainingFolder, epochs: int) -> Result | None:
    """Return the result of the trial of `epochs` epochs, otherwise the failure of its training, otherwise None."""
    return read_file(folder.result(epochs)) or failure(folder)


def is_done(folder: TrainingFolder, epochs: int) -> bool:
    return folder.result(epochs).is_file()
