"""Checkpoints: a training resumed from one ends bit-equal to a training without interruption."""

import contextlib
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ablation.errors import AblateError
from ablation.store import header, npz
from ablation.store.files import atomic
from ablation.store.workspace import TrainingFolder

SHARE = 0.02  # largest share of a training's time that checkpoints may take
SECONDS = 5.0  # smallest time between two checkpoints
BYTES_PER_SECOND = 250e6  # assumed until the first write is measured

RECORDED = ("host", "python")  # parts of an environment that change no bits


@dataclass(frozen=True)
class Checkpoint:
    """State of a training after `epoch`, from which the training can resume.

    `arrays`: every variable of the model and its optimizer, in Keras' order. `seconds`: training time so far.
    """

    epoch: int
    arrays: Sequence[np.ndarray]
    history: Sequence[dict[str, float]]
    seconds: float
    environment: Mapping[str, Any]


def clear(folder: TrainingFolder, last: float = math.inf, but: int | None = None) -> None:
    """Delete a folder's checkpoints up to epoch `last`, except the one of epoch `but`.

    A checkpoint beyond `last` belongs to a row of more epochs, whose training resumes from that checkpoint.
    """
    for epoch, path in folder.checkpoints().items():
        if epoch <= last and epoch != but:
            path.unlink(missing_ok=True)


def write(folder: TrainingFolder, checkpoint: Checkpoint, last: float = math.inf) -> None:
    """Write a checkpoint of a training that ends with epoch `last`, and delete its earlier checkpoints."""
    metadata = {k: getattr(checkpoint, k) for k in ("epoch", "history", "seconds", "environment")}
    metadata["schema"] = header.FORM
    arrays: dict[str, Any] = {str(i): array for i, array in enumerate(checkpoint.arrays)}
    with atomic(folder.checkpoint(checkpoint.epoch)) as temporary, open(temporary, "wb") as file:
        np.savez(file, about=np.frombuffer(json.dumps(metadata).encode(), np.uint8), **arrays)
    clear(folder, last, but=checkpoint.epoch)


def _read(folder: TrainingFolder, epoch: int) -> Checkpoint | None:
    try:
        arrays = npz.read(folder.checkpoint(epoch))
        metadata = json.loads(arrays.pop("about").tobytes())
        if metadata.pop("schema", header.FORM) > header.FORM:
            return None
        return Checkpoint(arrays=[arrays[str(i)] for i in range(len(arrays))], **metadata)
    except (*npz.UNREADABLE, AblateError):
        return None


def _numbers(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in environment.items() if k not in RECORDED}


def latest(folder: TrainingFolder, before: int, environment: Mapping[str, Any]) -> Checkpoint | None:
    """Return the last checkpoint before epoch `before` from an equal environment, so that results stay bit-equal.

    Return None where there is none.
    """
    for epoch in folder.checkpoints():
        checkpoint = _read(folder, epoch) if epoch < before else None
        if checkpoint and _numbers(checkpoint.environment) == _numbers(environment):
            return checkpoint
    return None


class Clock:
    """Schedule of checkpoints, so that their writing takes at most SHARE of the time."""

    def __init__(self, size: int) -> None:
        """Start the clock. `size`: bytes of a checkpoint."""
        self._cost, self._last = size / BYTES_PER_SECOND, time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self._last >= max(SECONDS, self._cost / SHARE)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Measure the block in which a checkpoint is made and written."""
        began = time.monotonic()
        yield
        self._last = time.monotonic()
        self._cost = self._last - began
