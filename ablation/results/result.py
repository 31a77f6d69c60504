"""What a trial returned, failure included; to and from files."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ablation.errors import AblateError
from ablation.outcomes import Status
from ablation.workspace import TrainingFolder, atomic, read_json, understood, write_json


@dataclass(frozen=True)
class Predictions:
    """What a head says of N images, in index order. Shapes: (N,) int16, (N, K) float16, (N,) float32 in nats."""

    classes: np.ndarray
    probabilities: np.ndarray
    losses: np.ndarray

    def write(self, path: Path) -> str:
        """Write the file and return its sha256. The same predictions give the same bytes."""
        return write_columns(path, vars(self))

    @classmethod
    def read(cls, path: Path, sha256: str) -> "Predictions":
        """Raises AblateError where the file is missing or is not the one whose sha256 the result holds."""
        return cls(**read_columns(path, sha256))


def check_columns(split: str, columns: Mapping[str, Any]) -> None:
    """Raises ValueError where columns differ in length, or hold what no file of numbers and texts can."""
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items() if array.ndim}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise ValueError(f"{split}: columns have unequal lengths ({said})")
    for name, array in arrays.items():
        if array.dtype.kind not in "biufU":
            raise ValueError(f"{split}: column {name!r} holds {array.dtype}; allowed: numbers and texts")
        if array.dtype.kind == "f" and split == "val" and not np.isfinite(array).all():
            raise ValueError(f"{split}: column {name!r} holds a number that is not finite")


def write_columns(path: Path, columns: Mapping[str, Any]) -> str:
    """Write columns to an .npz file and return its sha256. The same columns give the same bytes."""
    with atomic(path) as temporary, open(temporary, "wb") as file:
        arrays: dict[str, Any] = {name: np.asarray(column) for name, column in columns.items()}
        np.savez(file, **arrays)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_columns(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """Return the columns of an .npz file. Raises AblateError where it is missing or is not the one that was written."""
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise AblateError(f"{path}: missing or changed since it was written; remove {path.parent} and run again")
    with np.load(BytesIO(content), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


@dataclass(frozen=True)
class Result:
    """A finished trial.

    `scores`: "train" and "val" -> metric -> value, at the last epoch, dropout off. Test predictions lie in a file of
    their own and are scored only after selection. `history`: one mapping an epoch (train numbers with dropout on).
    `predictions`: "val" and "test" -> sha256 of the file. `attempts`: how often its training was started.
    `memory`: bytes that the worker's process held at most. `started` and `finished` are unix seconds, and so far apart
    as the training took, interruptions left out.
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

    @property
    def done(self) -> bool:
        return self.outcome is Status.DONE

    @property
    def reason(self) -> str:
        """Why it is not done, in one line: the last one of a traceback."""
        return (self.error.strip().splitlines() or [""])[-1]

    @property
    def best(self) -> dict[str, float]:
        """The epoch with the highest validation accuracy (the first of them); {} where no epoch has one."""
        return max((e for e in self.history if "val_accuracy" in e), key=lambda e: e["val_accuracy"], default={})

    @property
    def seconds(self) -> float:
        return self.finished - self.started


def write(folder: TrainingFolder, result: Result) -> None:
    """Once, as the last of its files: from here on the trial is done. A failure goes to a file of its own."""
    write_json(folder.result(result.epochs) if result.done else folder.failure, asdict(result))


def read_file(path: Path) -> Result | None:
    """The result in a file; None where there is no such file. Raises AblateError where it is broken."""
    found = read_json(path)
    with understood(path):
        return Result(**found | {"outcome": Status(found["outcome"])}) if found else None  # type: ignore[arg-type]


def all_of(folder: TrainingFolder) -> list[Result]:
    """Return the results of a training, one for each milestone that it has reached."""
    return [found for path in folder.results() if (found := read_file(path))]


def failure(folder: TrainingFolder) -> Result | None:
    """How the last try of a training failed, if it did. One that a result of as many steps has followed is over, even
    where a process that died in between left its file."""
    found = read_file(folder.failure)
    return found if found and not any(later(each, found) for each in all_of(folder)) else None


def later(found: Result, failed: Result) -> bool:
    """Return whether a result is of a later try than a failure, and went as far."""
    return found.epochs >= failed.epochs and found.finished >= failed.finished


def read(folder: TrainingFolder, epochs: int) -> Result | None:
    """The result of the trial of `epochs` epochs; else the failure of its training; else None."""
    return read_file(folder.result(epochs)) or failure(folder)


def is_done(folder: TrainingFolder, epochs: int) -> bool:
    return folder.result(epochs).is_file()
