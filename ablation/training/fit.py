"""A training from its first epoch, or its checkpoint, to its last: results at milestones, checkpoints between them."""

import functools
import logging
import os
import platform
import socket
import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import keras
import numpy as np

from ablation.datasets import splits
from ablation.engine.run import Reports
from ablation.outcomes import Status
from ablation.planning import attempts
from ablation.planning.cost import peak_memory
from ablation.results import checkpoint, result
from ablation.results.result import Predictions, Result
from ablation.statistics import evaluation
from ablation.training import devices, features, front, head
from ablation.training.jobs import HeadTraining
from ablation.training.witness import witness
from ablation.workers import slots
from ablation.workers.pool import Link
from ablation.workspace import Workspace, atomic, read_json, write_json

LOG = logging.getLogger(__name__)


@functools.cache
def environment() -> dict[str, Any]:
    """What bit-equality depends on beside the training's id: recorded, not hashed."""
    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        backend: version(backend),
        "numpy": np.__version__,
        "processor": slots.processor(),
        "threads": int(os.environ.get("TF_NUM_INTRAOP_THREADS") or os.cpu_count() or 1),
        "device": slots.device(),
        "deterministic": devices.deterministic(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", ""),
        "host": socket.gethostname(),
    }


def _inputs(workspace: Workspace, training: HeadTraining, split: str, rows: np.ndarray) -> np.ndarray:
    """What the network is given of a split: stored features, or uint8 pixels."""
    computed = training.artifacts().get(split)
    if computed:
        return np.asarray(features.load(workspace, computed)[rows])
    path = workspace.images(training.images).pixels(training.condition.image_size, training.aligned(split))
    pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.asarray(pixels[rows])


class Fit:
    """A training under way: its images' features and labels, its model, its history, and the files it writes. `keep`:
    all, selected or none of the heads; with all, the last checkpoint too."""

    def __init__(self, workspace: Workspace, training: HeadTraining, keep: str) -> None:
        keras.utils.clear_session()
        self.training, self._keep = training, keep
        self._folder = workspace.training(training.key)
        self._todo = [m for m in training.milestones if not result.is_done(self._folder, m)]
        rows, self._y = splits.read(workspace.images(training.images), training.split)
        self._x = {split: _inputs(workspace, training, split, r) for split, r in rows.items()}
        condition = training.condition
        before = front.build(condition, features.checked(training.weights)) if front.is_needed(condition) else []
        self._model = head.build(self._x["train"].shape[1:], training.classes, condition, training.seed, before)
        given = [np.asarray(keras.ops.convert_to_numpy(v)) for layer in before for v in layer.weights]
        had = read_json(self._folder.witness)
        write_json(self._folder.witness, witness(self._model, given, self._x, self._y, condition, training.seed))
        has = read_json(self._folder.witness)
        self.history: list[dict[str, float]] = []
        self._started = time.time()
        if had in (None, has):  # features that were computed again, elsewhere, are others: a checkpoint is of the old
            self._go_on()
        self._clock = checkpoint.Clock(head.state_bytes(self._model))
        write_json(self._folder.description, training.model_dump(mode="json"))

    def _go_on(self) -> None:
        """From a checkpoint that lies before the first result that is missing, if there is one."""
        found = checkpoint.latest(self._folder, self._todo[0], environment())
        if found:
            head.set_state(self._model, found.arrays)
            self.history = list(found.history)
            self._started -= found.seconds

    @property
    def sound(self) -> bool:
        """Whether the loss of the last epoch is a number."""
        return bool(np.isfinite([self.history[-1]["loss"], self.history[-1]["val_loss"]]).all())

    def epochs(self) -> Iterator[int]:
        """Train; yields each epoch once it is in the history, and its result, where it is a milestone, on disk."""
        condition, seed = self.training.condition, self.training.seed
        for epoch, logs in head.fit(
            self._model, self._x["train"], self._y["train"], condition, seed, len(self.history)
        ):
            validation = head.predict(self._model, self._x["val"], self._y["val"])
            after = {f"val_{name}": value for name, value in self._scores("val", validation).items()}
            self.history.append({"epoch": epoch, **logs, **after, "time": time.time()})
            if not self.sound:
                self._diverge(epoch)
            elif epoch in self._todo:
                self._reach(epoch, validation)
            if self._clock.due() and epoch < condition.epochs:
                self.save()
            yield epoch

    def _diverge(self, epoch: int) -> None:
        failure = self._result(Status.DIVERGED, epoch, error=f"the loss is no number after epoch {epoch}")
        result.write(self._folder, failure)
        checkpoint.clear(self._folder)

    def _reach(self, epoch: int, validation: Predictions) -> None:
        """Write the result of a milestone. Test predictions are written, and not looked at."""
        train, test = (head.predict(self._model, self._x[s], self._y[s]) for s in ("train", "test"))
        if self._keep != "none":
            with atomic(self._folder.head(epoch)) as temporary:
                head.save(self._model, temporary)
        scores = {"train": self._scores("train", train), "val": self._scores("val", validation)}
        predictions = {
            "val": validation.write(self._folder.predictions("val", epoch)),
            "test": test.write(self._folder.predictions("test", epoch)),
        }
        result.write(self._folder, self._result(Status.DONE, epoch, scores=scores, predictions=predictions))

    def save(self) -> None:
        """Write a checkpoint."""
        with self._clock.writing():
            found = checkpoint.Checkpoint(
                epoch=len(self.history),
                arrays=head.state(self._model),
                history=self.history,
                seconds=time.time() - self._started,
                environment=environment(),
            )
            checkpoint.write(self._folder, found, self.training.steps)

    def end(self) -> Status:
        """All milestones are reached: what was kept for an interruption, and an earlier try's failure, go. What a row
        of more epochs left behind stays."""
        last, failed = self.training.steps, result.read_file(self._folder.failure)
        if failed and failed.epochs <= last:
            self._folder.failure.unlink(missing_ok=True)
        if self._keep == "all":
            self.save()
        else:
            checkpoint.clear(self._folder, last)
        return Status.DONE

    def _scores(self, split: str, found: Predictions) -> dict[str, float]:
        return evaluation.scores(self._y[split], found.classes, found.losses)

    def _result(self, outcome: Status, epochs: int, **more: Any) -> Result:
        return Result(
            outcome,
            epochs,
            history=list(self.history),
            parameters=head.trainable(self._model),
            attempts=len(attempts.read(self._folder)),
            memory=peak_memory(),
            started=self._started,
            finished=time.time(),
            environment=environment(),
            **more,
        )


def run(fit: Fit, link: Link) -> Status:
    """Train to the end, or until the orchestrator asks to stop; the outcome."""
    reports = Reports(link)
    for epoch in fit.epochs():
        LOG.info("%s epoch %s of %s", fit.training.key, epoch, fit.training.steps)
        if not fit.sound:
            return Status.DIVERGED
        reports.add(fit.history[-1])
        if epoch in fit.training.milestones:
            reports.send()
        if epoch < fit.training.steps and link.stopping():
            fit.save()
            return Status.INTERRUPTED
    return fit.end()
