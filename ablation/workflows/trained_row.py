"""Predictions of a trained row for new examples, from its stored weights, or from weights that a worker retrains."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ablation.analysis import selection
from ablation.analysis.selection import Selection
from ablation.engine import job, pool
from ablation.engine.run import JobSettings
from ablation.errors import AblateError
from ablation.experiments.protocol import Application, NewData, NewExamples, StoredExamples
from ablation.outcomes import JobOutcome
from ablation.progress.listener import ProgressListener
from ablation.store import broken, result
from ablation.store import record as records
from ablation.store.files import sha256_of
from ablation.store.record import Record
from ablation.store.result import Predictions
from ablation.store.training import Training, training_of
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
    def training(self) -> Training:
        """Training that answers the trial."""
        return training_of(self.record, self.trial)

    @property
    def application(self) -> Application:
        """Application of trained rows of this experiment to other examples."""
        application: Application = self.record.experiment.application()
        return application

    def read(self, options: RunOptions, split: str | None) -> NewExamples:
        """Read the examples that a command names. `split`: see `NewData`. Raises AblateError where they are wrong."""
        return self.application.read(NewData(options.data, self.record.inputs.classes, split, options.own))


def check_installed(experiment: Any) -> None:
    """Raise AblateError where a package that an experiment needs for predictions is missing."""
    getattr(experiment, "check_installed", lambda: None)()


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
    if not hasattr(record.experiment, "application"):
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


def predict(
    options: RunOptions, workspace: Workspace, chosen: TrainedRow, examples: NewExamples, watch: ProgressListener
) -> tuple[StoredExamples, np.ndarray]:
    """Predict examples with a trained row.

    Args:
        options: Options of the command.
        workspace: Workspace of the study.
        chosen: Trained row.
        examples: N examples.
        watch: Listener for progress.

    Returns:
        The examples that could be read, and their probabilities (N, K), both in one order.

    Raises:
        AblateError: The examples could not be predicted, or the row could not be retrained.
    """
    training, epochs = chosen.training, chosen.trial.step
    with workspace.lock():
        stored = chosen.application.store(workspace, training, examples, options.own, watch)
        with warm_pool.open_pool(options, watch) as workers:
            weights = _kept(workspace, chosen, watch)
            if weights is None:
                weights = _retrained(workspace, chosen, workers, watch).head(epochs)
            task = pool.Task("predicting", job.predict, (training, weights.absolute(), stored.path))
            return stored, _one(workers, task, chosen.record.noun, watch)


def _kept(workspace: Workspace, chosen: TrainedRow, watch: ProgressListener) -> Path | None:
    """Return the file of the row's weights; None where they were not kept. Changed weights are set aside."""
    folder, epochs = workspace.training(chosen.training.key), chosen.trial.step
    weights, stored = folder.head(epochs), result.read(folder, epochs)
    if not weights.is_file():
        return None
    if stored and stored.weights and sha256_of(weights) != stored.weights:
        _, target = broken.set_aside(workspace, weights) or (weights, weights)
        watch.say(f"note: {weights}: changed since it was written; the file is moved to {target}")
        return None
    return weights


def _one(workers: pool.Pool, task: pool.Task, noun: str, watch: ProgressListener) -> np.ndarray:
    def reported(key: str, message: dict[str, int]) -> None:
        watch.step(key, message["done"], message["of"])

    tasks = iter([task])
    for _, outcome in workers.run(lambda: next(tasks, None), pool.Listener(reported=reported)):
        if isinstance(outcome.value, np.ndarray):
            return outcome.value
        raise AblateError(f"the {noun}s could not be predicted: {outcome.reason[:300]}")
    raise AssertionError("a pool ends each task")


def _retrained(workspace: Workspace, chosen: TrainedRow, workers: pool.Pool, watch: ProgressListener) -> TrainingFolder:
    """Retrain a row whose weights were deleted, in a separate workspace.

    The row's predictions are compared with the stored ones. The result of the study stays unchanged.
    """
    trial, training, again = chosen.trial, chosen.training, workspace.again
    epochs, place, reason = trial.step, again.training(training.key), ""
    if not (place.head(epochs).is_file() and result.is_done(place, epochs)):
        chosen.application.check_retraining(workspace, chosen.record, training)
        watch.say(f"the {chosen.record.kept} of row {trial.row} was not kept; retraining it for {epochs} epochs")
        again.root.mkdir(parents=True, exist_ok=True)
        link = again.root / "cache"
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to("..")  # relative, so that the link survives a move of the workspace
        wanted = {artifact.key: artifact for artifact in training.artifacts().values()}
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
            f"note: the retrained row {trial.row} is not bit-identical: {int((a != b).sum())} of {len(a)} "
            "validation predictions differ (another processor, number of threads, or version)"
        )
    else:
        watch.say(f"the retrained row {trial.row} predicts as before, bit for bit")
    return place


def _train(workers: pool.Pool, again: Workspace, training: Training, watch: ProgressListener) -> JobOutcome[None]:
    settings = JobSettings(uuid.uuid4().hex, "selected")
    task = pool.Task("training again", job.train, (again.root.absolute(), training, settings))

    def reported(key: str, message: dict[str, list[dict[str, float]]]) -> None:
        watch.step(key, int(message["epochs"][-1]["epoch"]), training.steps)

    tasks = iter([task])
    ((_, outcome),) = workers.run(lambda: next(tasks, None), pool.Listener(reported=reported))
    return outcome
