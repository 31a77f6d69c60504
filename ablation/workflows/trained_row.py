"""Predictions of a trained row for new images, from its stored weights, or from weights that a worker retrains."""

import uuid
from dataclasses import dataclass

import numpy as np

from ablation.analysis import selection
from ablation.analysis.selection import Selection
from ablation.engine import job, pool
from ablation.engine.job import JobSettings
from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import images
from ablation.experiments.keras_head.datasets.images import Decoded, Images
from ablation.experiments.keras_head.inputs import ImageInputs
from ablation.experiments.keras_head.training import devices, features, worker
from ablation.experiments.keras_head.training.jobs import HeadTraining, refuse_cleaned
from ablation.experiments.keras_head.training.prepare import store_images
from ablation.outcomes import JobOutcome
from ablation.progress.listener import ProgressListener
from ablation.store import record as records
from ablation.store import result
from ablation.store.record import Record
from ablation.store.result import Predictions
from ablation.store.training import training_of
from ablation.store.workspace import TrainingFolder, Workspace
from ablation.study.grid import Trial
from ablation.workflows import sweep, warm_pool
from ablation.workflows.run_options import RunOptions


@dataclass(frozen=True)
class TrainedRow:
    """A row that has been trained, with its first seed, and the selection that opens its study's test set."""

    record: Record
    sealed: Selection
    trial: Trial

    @property
    def training(self) -> HeadTraining:
        """Training that answers the trial."""
        training = training_of(self.record, self.trial)
        assert isinstance(training, HeadTraining)
        return training


def choose(workspace: Workspace, name: str, row: int | None) -> TrainedRow:
    """Return the trained row of a study.

    Args:
        workspace: Workspace of the study.
        name: Name of the study.
        row: Number of the row; None for the selected row.

    Raises:
        AblateError: There is no such row, or the row has no result.
    """
    workspace.refuse_locked()
    record = records.need(workspace, name)
    if not isinstance(record.inputs, ImageInputs):
        name = record.grid.factors.experiment
        raise AblateError(f"study {record.name!r}: experiment {name!r} cannot apply a row to other data")
    sealed = selection.read(workspace, record)
    if sealed is None:  # a selection is required to open test results
        raise AblateError(f"study {record.name!r}: no row is selected yet; finish `ablate run` first")
    number = sealed.row if row is None else row
    if number is None:
        raise AblateError(f'study {record.name!r}: selects no row (select_on = "none"); pass --row')
    if not 1 <= number <= len(record.grid.rows):
        raise AblateError(f"--row {number}: no such row; allowed: 1 to {len(record.grid.rows)}")
    chosen = TrainedRow(record, sealed, next(record.grid.seeded(number)))
    done = result.read(workspace.training(chosen.training.key), chosen.trial.step)
    if not (done and done.done):
        raise AblateError(f"row {number} has no result; finish `ablate run` first, or choose another --row")
    return chosen


def answers(
    options: RunOptions, workspace: Workspace, chosen: TrainedRow, given: Images, watch: ProgressListener
) -> tuple[Decoded, np.ndarray]:
    """Predict images with a trained row.

    Args:
        options: Options of the command.
        workspace: Workspace of the study.
        chosen: Trained row.
        given: N images.
        watch: Listener for progress.

    Returns:
        The decoded images and their probabilities (N, K), both in index order.

    Raises:
        AblateError: The images could not be predicted, or the row could not be retrained.
    """
    training, epochs = chosen.training, chosen.trial.step
    size = training.condition.image_size
    with workspace.lock():
        decoded = images.decode(
            given,
            [size],
            options.own.get("skip_bad", False),
            lambda done, total: watch.step("reading images", done, total),
            [size] if training.condition.align == "all" else [],
        )
        store_images(workspace, decoded)
        alignment = decoded.aligned.digest if decoded.aligned else ""
        pixels = workspace.images(decoded.index.digest).pixels(size, alignment)
        with warm_pool.open_pool(options, watch) as workers:
            head = workspace.training(training.key).head(epochs)
            if not head.is_file():
                head = _trained_again(workspace, chosen, workers, watch).head(epochs)
            task = pool.Task("predicting", worker.answer, (training, head.absolute(), pixels.absolute()))
            return decoded, _one(workers, task, watch)


def _one(workers: pool.Pool, task: pool.Task, watch: ProgressListener) -> np.ndarray:
    def reported(key: str, message: dict[str, int]) -> None:
        watch.step(key, message["images"], message["of"])

    tasks = iter([task])
    for _, outcome in workers.run(lambda: next(tasks, None), pool.Listener(reported=reported)):
        if isinstance(outcome.value, np.ndarray):
            return outcome.value
        raise AblateError(f"the images could not be predicted: {outcome.reason[:300]}")
    raise AssertionError("a pool ends each task")


def _trained_again(
    workspace: Workspace, chosen: TrainedRow, workers: pool.Pool, watch: ProgressListener
) -> TrainingFolder:
    """Retrain a row whose head was deleted, in a separate workspace, and compare its predictions with the stored ones.

    The result of the study stays unchanged.
    """
    trial, training, again = chosen.trial, chosen.training, workspace.again
    epochs, place, reason = trial.step, again.training(training.key), ""
    if not (place.head(epochs).is_file() and result.is_done(place, epochs)):
        if devices.backend() != chosen.record.inputs.backend:
            was = f"KERAS_BACKEND={chosen.record.inputs.backend}"
            raise AblateError(f"row {trial.row} must be retrained with the settings it had: set {was}")
        watch.say(f"the head of row {trial.row} was not kept; retraining it for {epochs} epochs")
        again.root.mkdir(parents=True, exist_ok=True)
        link = again.root / "cache"
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to("..")  # relative, so that the link survives a move of the workspace
        wanted = {f.key: f for f in training.artifacts().values()}
        if not wanted or not all(features.is_ready(workspace, f) for f in wanted.values()):
            refuse_cleaned(workspace, training)
        sweep.make(workspace, workers, chosen.record, wanted, watch)
        reason = _train(workers, again, training, watch).reason
    new, old = (result.read(w.training(training.key), epochs) for w in (again, workspace))
    if not (new and new.done and old):
        raise AblateError(f"row {trial.row} could not be retrained: {new.reason if new else reason}")
    if new.predictions["val"] != old.predictions["val"]:
        a, b = (
            Predictions.read(w.training(training.key).predictions("val", epochs), r.predictions["val"]).classes
            for w, r in ((again, new), (workspace, old))
        )
        watch.say(
            f"note: the retrained row {trial.row} is not bit-equal: {int((a != b).sum())} of {len(a)} "
            "validation predictions differ (another processor, number of threads, or version)"
        )
    else:
        watch.say(f"the retrained row {trial.row} predicts as before, bit for bit")
    return place


def _train(workers: pool.Pool, again: Workspace, training: HeadTraining, watch: ProgressListener) -> JobOutcome[None]:
    orders = JobSettings(uuid.uuid4().hex, "selected")
    task = pool.Task("training again", job.train, (again.root.absolute(), training, orders))

    def reported(key: str, message: dict[str, list[dict[str, float]]]) -> None:
        watch.step(key, int(message["epochs"][-1]["epoch"]), training.steps)

    tasks = iter([task])
    ((_, outcome),) = workers.run(lambda: next(tasks, None), pool.Listener(reported=reported))
    return outcome
