"""The workflow: run a study, from its images to its table."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from ablation import features, plan, pool, result, selection, slots, table, worker
from ablation.errors import AblateError
from ablation.grid import Trial
from ablation.outcome import Outcome, done, draw, outcome
from ablation.plan import Training
from ablation.prepare import Options, prepare, store
from ablation.record import Record
from ablation.study import Study
from ablation.tracking import Sender, Tracker
from ablation.views import Views
from ablation.watch import Watch
from ablation.workspace import Workspace


def run(options: Options, watch: Watch) -> Outcome:
    """Run a study: what is missing is trained, then a row is selected on validation, then the table is drawn.

    Raises AblateError before anything is written where the input is wrong.
    """
    workspace, prepared = Workspace(options.workspace), prepare(options, watch)
    record = prepared.record
    for note in record.notes:
        watch.say(f"note: {note}")
    with workspace.lock():
        store(workspace, prepared)
        del prepared  # its pixels: workers map them from disk
        with _views(options, workspace, record, watch) as views:
            trained = _train_missing(options, workspace, record, views, watch)
            return _conclude(workspace, record, views, trained)


def _open_study(options: Options, workspace: Workspace, record: Record) -> Study:
    try:
        return Study(options.storage or f"sqlite:///{workspace.optuna.absolute()}", record)
    except Exception as error:  # whatever SQLAlchemy and its drivers raise; an address may hold a password: not named
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AblateError(f"--storage: Optuna's database cannot be opened ({reason[:200]})") from None


@contextmanager
def _views(options: Options, workspace: Workspace, record: Record, watch: Watch) -> Iterator[Views]:
    uri = options.tracking or f"sqlite:///{workspace.mlflow.absolute()}"
    artifacts = None if options.tracking else workspace.artifacts
    study = _open_study(options, workspace, record)
    tracker = Tracker(workspace.study(record.name).outbox, lambda: Sender(uri, artifacts, record.name))
    views = Views(record, study, tracker)
    try:
        yield views
    finally:
        unsent = views.close()
        if unsent:
            watch.say(f"MLflow: {unsent} messages wait for it ({tracker.error}); the next run sends them")


def _train_missing(options: Options, workspace: Workspace, record: Record, views: Views, watch: Watch) -> int:
    """Train what has no result yet; the number of trials trained."""
    missing = plan.missing(workspace, record, record.grid.trials())
    if not missing:
        return 0
    trainings = plan.trainings(record, missing)
    with _pool(options, workspace) as workers:
        _extract(workspace, workers, trainings, watch)
        _Training(workspace, record, views, watch, trainings).run(workers)
    return len(missing)


def _pool(options: Options, workspace: Workspace) -> AbstractContextManager[pool.Pool]:
    found = slots.parse(options.slots)
    return pool.inline(found[0]) if options.inline else pool.local(found, workspace.log("").parent)


def _extract(workspace: Workspace, workers: pool.Pool, trainings: dict[Training, list[Trial]], watch: Watch) -> None:
    wanted = {t.features_of() for t in trainings}
    tasks = [
        pool.Task(f.key, worker.extract, (workspace.root.absolute(), f))
        for f in sorted(wanted, key=lambda f: f.key)
        if not features.is_ready(workspace, f)
    ]

    def reported(_: str, message: dict[str, Any]) -> None:
        watch.step("computing features", message["images"], message["of"])

    for key, trouble in workers.run(tasks, pool.Listener(reported=reported)):
        if trouble:
            reason = trouble.reason if isinstance(trouble, pool.Lost) else trouble.strip().splitlines()[-1]
            raise AblateError(
                f"features {key} could not be computed: {reason}; the log is under {workspace.log('').parent}"
            )


class _Training:
    """The trainings under way, and how far they are."""

    def __init__(
        self, workspace: Workspace, record: Record, views: Views, watch: Watch, trainings: dict[Training, list[Trial]]
    ) -> None:
        self._workspace, self._record, self._views, self._watch = workspace, record, views, watch
        self._trials = {t.key: trials for t, trials in trainings.items()}
        self._trainings = {t.key: t for t in trainings}
        self._work = {t.key: self._work_of(t) for t in trainings}
        self._done = dict.fromkeys(self._work, 0.0)
        self._all_work, self._work_done = sum(self._work.values()), 0.0

    def _work_of(self, training: Training) -> float:
        inputs = int(np.prod(features.shape(self._workspace, training.features_of())[1:]))
        train = next(c["train"] for s, c in self._record.counts.items() if self._record.splits[s] == training.split)
        return plan.work(training, inputs, sum(train))

    def run(self, workers: pool.Pool) -> None:
        root = self._workspace.root.absolute()
        tasks = [pool.Task(key, worker.train, (root, training)) for key, training in self._trainings.items()]
        for key, value in workers.run(tasks, pool.Listener(self._started, self._reported)):
            self._ended(key, value)

    def _label(self, key: str) -> str:
        trials = self._trials[key]
        numbers = ", ".join(str(t.row) for t in trials)
        seed = f", seed {trials[0].seed}" if len(self._record.grid.seeds) > 1 else ""
        return f"row {numbers}{seed}" if len(trials) == 1 else f"rows {numbers}{seed}"

    def _started(self, key: str, slot: str) -> None:
        self._watch.started(key, self._label(key), slot)
        for trial in self._trials[key]:
            self._views.started(trial)

    def _reported(self, key: str, epoch: dict[str, float]) -> None:
        epochs = self._trainings[key].condition.epochs
        self._advance(key, epoch["epoch"] / epochs)
        self._watch.epoch(key, epoch, epochs)
        self._watch.work(self._work_done / self._all_work)
        for trial in self._trials[key]:
            if trial.condition.epochs >= epoch["epoch"]:
                self._views.epoch(trial, epoch)
            if trial.condition.epochs == epoch["epoch"]:
                self._tell_end(trial)

    def _advance(self, key: str, done: float) -> None:
        self._work_done += self._work[key] * (done - self._done[key])
        self._done[key] = done

    def _tell_end(self, trial: Trial) -> None:
        found = result.read(self._workspace.training(self._record.training_key(trial)), trial.condition.epochs)
        if found:
            self._views.ended(trial, found)

    def _ended(self, key: str, value: object) -> None:
        folder = self._workspace.training(key)
        if isinstance(value, pool.Lost):
            lost = result.Result(
                result.KILLED, self._trainings[key].condition.epochs, error=value.reason, finished=time.time()
            )
            result.write(folder, lost)
        for trial in self._trials[key]:
            self._tell_end(trial)
        self._advance(key, 1.0)
        self._watch.ended(key, result.KILLED if isinstance(value, pool.Lost) else str(value))


def _conclude(workspace: Workspace, record: Record, views: Views, trained: int) -> Outcome:
    """Select, seal, and only then open the test predictions; draw the tables and tell the views."""
    results = table.collect(workspace, record)
    found = selection.select(record, done(results))
    sealed = selection.seal(workspace.study(record.name), found) if found else None
    tests, drawn = draw(workspace, record, results, sealed)
    views.agree(results, tests, drawn)
    return outcome(workspace, record, results, drawn, trained)
