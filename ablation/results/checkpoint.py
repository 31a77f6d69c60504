"""Where a training stands, on disk: from here it goes on and ends bit-equal to an undisturbed one."""

import contextlib
import json
import math
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ablation.workspace import TrainingFolder, atomic

SHARE = 0.02  # of a training's time that checkpoints may take
SECONDS = 5.0  # at least so long between two
BYTES_PER_SECOND = 250e6  # until the first write is measured

RECORDED = ("host", "python")  # parts of an environment that change no bits


@dataclass(frozen=True)
class Checkpoint:
    """`arrays`: every variable of the model and its optimizer, in Keras' order. `seconds`: trained so far."""

    epoch: int
    arrays: Sequence[np.ndarray]
    history: Sequence[dict[str, float]]
    seconds: float
    environment: Mapping[str, Any]


def clear(folder: TrainingFolder, last: float = math.inf, but: int | None = None) -> None:
    """Remove a folder's checkpoints up to epoch `last`, except the one of epoch `but`: one beyond is of a row of more
    epochs, which goes on from there."""
    for epoch, path in folder.checkpoints().items():
        if epoch <= last and epoch != but:
            path.unlink(missing_ok=True)


def write(folder: TrainingFolder, found: Checkpoint, last: float = math.inf) -> None:
    """Replace the checkpoints of a training that ends with epoch `last`."""
    about = {k: getattr(found, k) for k in ("epoch", "history", "seconds", "environment")}
    arrays: dict[str, Any] = {str(i): array for i, array in enumerate(found.arrays)}
    with atomic(folder.checkpoint(found.epoch)) as temporary, open(temporary, "wb") as file:
        np.savez(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
    clear(folder, last, but=found.epoch)


def _read(folder: TrainingFolder, epoch: int) -> Checkpoint | None:
    try:
        with np.load(folder.checkpoint(epoch), allow_pickle=False) as found:
            about = json.loads(found["about"].tobytes())
            return Checkpoint(arrays=[found[str(i)] for i in range(len(found.files) - 1)], **about)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def _numbers(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in environment.items() if k not in RECORDED}


def latest(folder: TrainingFolder, before: int, environment: Mapping[str, Any]) -> Checkpoint | None:
    """The last checkpoint before epoch `before` that was made in an equal environment, so that bits stay equal."""
    for epoch in folder.checkpoints():
        found = _read(folder, epoch) if epoch < before else None
        if found and _numbers(found.environment) == _numbers(environment):
            return found
    return None


class Clock:
    """Says when a checkpoint is due: so often that they take at most SHARE of the time."""

    def __init__(self, size: int) -> None:
        """`size`: of a checkpoint, in bytes."""
        self._cost, self._last = size / BYTES_PER_SECOND, time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self._last >= max(SECONDS, self._cost / SHARE)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """While a checkpoint is made and written."""
        began = time.monotonic()
        yield
        self._last = time.monotonic()
        self._cost = self._last - began
