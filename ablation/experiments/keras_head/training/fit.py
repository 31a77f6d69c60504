"""One training, from its first epoch or its checkpoint to its last: results at milestones, checkpoints between them."""

import functools
import logging
import os
import platform
import socket
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import keras
import numpy as np

from ablation.clock import now
from ablation.engine import attempts, slots
from ablation.engine.cost import peak_memory
from ablation.engine.pool import Channel
from ablation.engine.run import StepReports
from ablation.experiments.keras_head.datasets import stored_splits
from ablation.experiments.keras_head.training import devices, features, head, input_layers
from ablation.experiments.keras_head.training.fingerprint import fingerprint
from ablation.experiments.keras_head.training.jobs import HeadTraining
from ablation.outcomes import Status
from ablation.statistics import evaluation
from ablation.store import checkpoint, result
from ablation.store.files import atomic, read_json, sha256_of, write_json
from ablation.store.result import Predictions, Result
from ablation.store.workspace import TrainingFolder, Workspace

LOG = logging.getLogger(__name__)


@functools.cache
def environment() -> dict[str, Any]:
    """Return the environment that bit-equality depends on, in addition to the training's id. Recorded, not hashed."""
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
    """Return the model's inputs of a split: stored features, or uint8 pixels."""
    computed = training.artifacts().get(split)
    if computed:
        return np.asarray(features.load(workspace, computed)[rows])
    path = workspace.images(training.images).pixels(training.condition.image_size, training.aligned(split))
    pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.asarray(pixels[rows])


@dataclass
class Fit:
    """Training in progress: inputs and labels by split, the model, its history, and where files are written.

    `keep`: which heads are stored: all, selected or none. With all, the last checkpoint is stored too. `missing`: the
    milestones without a result. `started`: unix seconds, interruptions left out.
    """

    training: HeadTraining
    keep: str
    folder: TrainingFolder
    missing: list[int]
    x: dict[str, np.ndarray]
    y: dict[str, np.ndarray]
    model: keras.Model
    started: float
    clock: checkpoint.Clock
    history: list[dict[str, float]]

    @property
    def finite(self) -> bool:
        """True if the losses of the last epoch are finite."""
        return bool(np.isfinite([self.history[-1]["loss"], self.history[-1]["val_loss"]]).all())


def open_fit(workspace: Workspace, training: HeadTraining, keep: str) -> Fit:
    """Read the inputs, build the model and store its fingerprint. Resume from the latest checkpoint before the first
    missing result, if there is one."""
    keras.utils.clear_session()
    condition, folder = training.condition, workspace.training(training.key)
    rows, y = stored_splits.read(workspace.images(training.images), training.split)
    x = {split: _inputs(workspace, training, split, r) for split, r in rows.items()}
    is_needed = input_layers.is_needed(condition)
    front = input_layers.build(condition, features.checked(training.weights)) if is_needed else []
    model = head.build(x["train"].shape[1:], training.classes, condition, training.seed, front)
    given = [np.asarray(keras.ops.convert_to_numpy(v)) for layer in front for v in layer.weights]
    is_unchanged = _write_fingerprint(folder, fingerprint(model, given, x, y, training))
    missing = [m for m in training.milestones if not result.is_done(folder, m)]
    saved, started = checkpoint.latest(folder, missing[0], environment()) if is_unchanged else None, now()
    if saved:
        head.set_state(model, saved.arrays)
        started -= saved.seconds
    clock = checkpoint.Clock(head.state_bytes(model))
    return Fit(training, keep, folder, missing, x, y, model, started, clock, list(saved.history) if saved else [])


def _write_fingerprint(folder: TrainingFolder, new: Any) -> bool:
    """Store the fingerprint. Return whether an earlier attempt had none or the same.

    Features that were recomputed on another machine may differ: a checkpoint belongs to the old features.
    """
    earlier = read_json(folder.witness)
    write_json(folder.witness, new)
    return earlier in (None, read_json(folder.witness))


def run(fit: Fit, channel: Channel) -> Status:
    """Train to the last milestone, or until the orchestrator asks to stop. Return the outcome."""
    training, reports = fit.training, StepReports(channel)
    x, y, done = fit.x["train"], fit.y["train"], len(fit.history)
    for epoch, logs in head.fit(fit.model, x, y, training.condition, training.seed, done):
        validation = head.predict(fit.model, fit.x["val"], fit.y["val"])
        validation_logs = {f"val_{name}": value for name, value in _scores(fit, "val", validation).items()}
        fit.history.append({"epoch": epoch, **logs, **validation_logs, "time": now()})
        LOG.info("%s epoch %s of %s", training.key, epoch, training.steps)
        if not fit.finite:
            return _diverge(fit, epoch)
        if epoch in fit.missing:
            _write_result(fit, epoch, validation)
        if fit.clock.due() and epoch < training.steps:
            _save(fit)
        reports.add(fit.history[-1])
        if epoch in training.milestones:
            reports.send()
        if epoch < training.steps and channel.stopping():
            _save(fit)
            return Status.INTERRUPTED
    return _finish(fit)


def _diverge(fit: Fit, epoch: int) -> Status:
    error = f"the loss is not finite after epoch {epoch}"
    result.write(fit.folder, _result(fit, Status.DIVERGED, epoch, error=error))
    checkpoint.clear(fit.folder)
    return Status.DIVERGED


def _keep_head(fit: Fit, epoch: int) -> str:
    """Write the weights, and return the sha256 of their file."""
    with atomic(fit.folder.head(epoch)) as temporary:
        head.save(fit.model, temporary)
    return sha256_of(fit.folder.head(epoch))


def _write_result(fit: Fit, epoch: int, validation: Predictions) -> None:
    """Write the result of a milestone. Test predictions are written, but not evaluated."""
    train, test = (head.predict(fit.model, fit.x[s], fit.y[s]) for s in ("train", "test"))
    weights = _keep_head(fit, epoch) if fit.keep != "none" else ""
    scores = {"train": _scores(fit, "train", train), "val": _scores(fit, "val", validation)}
    predictions = {
        "val": validation.write(fit.folder.predictions("val", epoch)),
        "test": test.write(fit.folder.predictions("test", epoch)),
    }
    result.write(fit.folder, _result(fit, Status.DONE, epoch, scores=scores, predictions=predictions, weights=weights))


def _save(fit: Fit) -> None:
    """Write a checkpoint."""
    with fit.clock.writing():
        saved = checkpoint.Checkpoint(
            epoch=len(fit.history),
            arrays=head.state(fit.model),
            history=fit.history,
            seconds=now() - fit.started,
            environment=environment(),
        )
        checkpoint.write(fit.folder, saved, fit.training.steps)


def _finish(fit: Fit) -> Status:
    """Clean up when all milestones are reached: delete the checkpoint and the failure of an earlier attempt.

    With `keep` = all, the last checkpoint is stored. Files of a row with more epochs are kept.
    """
    last, failed = fit.training.steps, result.read_file(fit.folder.failure)
    if failed and failed.epochs <= last:
        fit.folder.failure.unlink(missing_ok=True)
    if fit.keep == "all":
        _save(fit)
    else:
        checkpoint.clear(fit.folder, last)
    return Status.DONE


def _scores(fit: Fit, split: str, predictions: Predictions) -> dict[str, float]:
    return evaluation.scores(fit.y[split], predictions.classes, predictions.losses)


def _result(fit: Fit, outcome: Status, epochs: int, **more: Any) -> Result:
    return Result(
        outcome,
        epochs,
        history=list(fit.history),
        parameters=head.trainable(fit.model),
        attempts=len(attempts.read(fit.folder)),
        memory=peak_memory(),
        started=fit.started,
        finished=now(),
        environment=environment(),
        **more,
    )
