"""Workflow of `ablate run`: from the inputs of a study to its table."""

import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ablation.analysis import selection
from ablation.analysis.held_out import held_out
from ablation.analysis.retention import Retention
from ablation.analysis.study_analysis import collect
from ablation.engine import attempts, job, plan, pool, slots
from ablation.engine.job import JobSettings
from ablation.errors import AblateError
from ablation.outcomes import Status
from ablation.progress import recorder
from ablation.progress.listener import ProgressListener
from ablation.report.build import RenderOptions, RunSummary, build, summarize, write
from ablation.signals import Interrupts
from ablation.store import aliases, study_history
from ablation.store.record import Record
from ablation.store.training import trainings
from ablation.store.upgrade import opened
from ablation.store.workspace import Workspace
from ablation.trackers import databases, mlflow_sender, optuna_study
from ablation.trackers.mlflow_runs import MlflowRuns
from ablation.trackers.mlflow_tracker import Tracker
from ablation.trackers.optuna_study import OptunaStudy
from ablation.trackers.trackers import Trackers
from ablation.urls import first_line, with_driver
from ablation.workflows.prepare import prepare
from ablation.workflows.publish import for_trackers
from ablation.workflows.run_options import RunOptions
from ablation.workflows.scheduler import Scheduler
from ablation.workflows.study_run import StudyRun
from ablation.workflows.warm_pool import WarmPool, open_pool


def run(options: RunOptions, watch: ProgressListener, warm_pool: WarmPool | None = None) -> RunSummary:
    """Run a study: train the missing trials, select a row on validation, and draw the table.

    Args:
        options: Options of the command.
        watch: Listener for progress and notes.
        warm_pool: Pool of workers that are loading already.

    Raises:
        AblateError: The input is wrong; raised before anything is written.
        KeyboardInterrupt: A signal arrived.
    """
    workspace, warm_pool = opened(options.workspace, watch.say), warm_pool or WarmPool(options, watch)
    workspace.refuse_locked()
    databases.refuse_foreign_storage(workspace, options.storage)
    databases.refuse_foreign_tracking(workspace, options.tracking)
    with Interrupts(watch.say) as interrupts:
        study = prepare(options, watch)
        record = study.record
        for note in (*record.notes, *record.imports.notes):
            watch.say(f"note: {note}")
        with workspace.lock():
            study_history.note(workspace.study(record.name), options.files)  # before a first record is written
            study.store(workspace)
            del study  # frees the pixels, which workers map from disk
            with (
                recorder.Recorder(watch, workspace.study(record.name), _slot_names(options), options.command) as watch,
                _trackers(options, workspace, record, watch) as trackers,
            ):
                interrupts.say = watch.say
                study_run = StudyRun(workspace, record, Retention(workspace, record), trackers, watch)
                trained = _train_missing(options, warm_pool, study_run, interrupts)
                if interrupts.asked:
                    raise KeyboardInterrupt
                return _conclude(study_run, trained)


def _slot_names(options: RunOptions) -> list[str]:
    """Return the names of the slots; [] on a Dask scheduler, where the number of workers changes."""
    if options.scheduler:
        return []
    return ["inline"] if options.inline else [slot.name for slot in slots.parse(options.slots)]


def _open_study(options: RunOptions, workspace: Workspace, record: Record) -> OptunaStudy:
    try:
        url = with_driver(options.storage) if options.storage else optuna_study.create(workspace.optuna)
        return OptunaStudy(url, record, options.storage is not None, aliases.read(workspace))
    except AblateError:
        raise
    except Exception as error:  # any error of SQLAlchemy and its drivers; the URL may contain a password: not shown
        reason = first_line(error) or type(error).__name__
        raise AblateError(f"--storage: Optuna's database cannot be opened ({reason[:200]})") from None


@contextmanager
def _trackers(options: RunOptions, workspace: Workspace, record: Record, watch: ProgressListener) -> Iterator[Trackers]:
    opened = _open_study(options, workspace, record)
    tracker = Tracker(
        workspace.study(record.name).outbox, lambda: mlflow_sender.connect(workspace, options.tracking, record.name)
    )
    trackers = Trackers(record, opened, MlflowRuns(record, tracker))
    try:
        yield trackers
    finally:
        unsent = trackers.close()
        if unsent:
            later = "" if tracker.waits_for_user else "; send them with: ablate sync"
            watch.say(f"MLflow: {unsent} messages not sent yet ({tracker.error}){later}")
        if tracker.refusal:
            watch.say(f"MLflow: {tracker.refusal}")


def _train_missing(options: RunOptions, warm_pool: WarmPool, study: StudyRun, interrupts: Interrupts) -> int:
    """Train the trials without a result, and return the number of these trials.

    Args:
        options: Options of the command.
        warm_pool: Pool of workers that may be loading already.
        study: The study.
        interrupts: Signals of the command.
    """
    workspace, record, watch = study.workspace, study.record, study.watch
    missing = plan.missing(workspace, record, record.grid.trials(), options.retry)
    total = record.grid.size
    watch.trials(total - len(missing), 0, total)
    if not missing:
        return 0
    to_do = trainings(record, missing)
    with warm_pool.pool(watch) as workers:
        wanted = {artifact.key: artifact for t in to_do for artifact in t.artifacts().values()}
        with interrupts.softly(workers.stop):
            make(workspace, workers, record, wanted, watch, lambda: interrupts.asked)
        if interrupts.asked:
            return 0
        effort = getattr(record.experiment, "effort", lambda training: training.steps)
        work = {t.key: float(effort(t)) for t in to_do}
        settings = JobSettings(uuid.uuid4().hex, record.keep)
        scheduler = Scheduler(study, to_do, work, settings, options.timeout)
        _dispatch(scheduler, workers, interrupts)
    if scheduler.alone():
        with open_pool(options, watch, alone=True) as workers:
            _dispatch(scheduler, workers, interrupts)
    return len(missing)


def _dispatch(scheduler: Scheduler, workers: pool.Pool, interrupts: Interrupts) -> None:
    def stop() -> None:
        scheduler.stop()
        workers.stop()

    with interrupts.softly(stop):
        scheduler.run(workers)


def make(
    workspace: Workspace, workers: pool.Pool, record: Record, wanted: Mapping[str, Any], watch: ProgressListener,
    asked: Callable[[], bool] = lambda: False,
) -> None:  # fmt: skip
    """Make the missing ones of the artifacts that trainings share.

    Args:
        workspace: Workspace of the study.
        workers: Pool that makes the artifacts.
        record: Record of the study.
        wanted: Key -> artifact.
        watch: Listener for progress.
        asked: Function that returns whether to stop early.

    Raises:
        AblateError: An artifact could not be computed.
    """
    plugin, experiment = record.grid.factors.plugin, record.experiment
    missing = {key: wanted[key] for key in sorted(wanted) if not experiment.is_ready(workspace, wanted[key])}
    waiting, tries = deque(missing), Counter[str]()
    title = getattr(experiment, "making", "preparing")

    def take() -> pool.Task | None:
        key = waiting.popleft() if waiting and not asked() else None
        return pool.Task(key, job.make, (workspace.root.absolute(), plugin, missing[key])) if key else None

    def reported(_: str, message: dict[str, Any]) -> None:
        watch.step(title, message["done"], message["of"])

    if waiting:
        watch.step(title, 0, 1)  # a worker that loads its backend reports nothing else
    for key, ended in workers.run(take, pool.Listener(reported=reported)):
        tries[key] += 1
        if asked() or ended.status is Status.INTERRUPTED:
            waiting.clear()
        elif ended.status in (Status.KILLED, Status.TIMED_OUT) and tries[key] < attempts.TRIES:
            waiting.append(key)
        elif ended.status is not Status.DONE:
            raise AblateError(
                f"{getattr(experiment, 'made', 'artifact')} {key} could not be computed: {ended.reason}; see the "
                f"logs in {workspace.log('').parent}"
            )


def _conclude(study: StudyRun, trained: int) -> RunSummary:
    """Select and seal, and only then open the test predictions; draw the tables and update the trackers.

    `trained`: number of trials that this command trained.
    """
    workspace, record = study.workspace, study.record
    results = collect(workspace, record)
    sealed = selection.select_and_seal(workspace, record, results)
    kept = record.kept if record.keep != "none" else ""
    if sealed and sealed.row and not study.retention.selected(sealed.row) and kept:
        study.watch.say(f"note: row {sealed.row} is selected now, but its {kept} was not kept when it was trained")
    drawing = build(workspace, record, results, sealed, RenderOptions(importances=optuna_study.importances))
    write(workspace, drawing)
    study.trackers.agree(for_trackers(drawing), held_out(workspace, drawing.study))
    return summarize(workspace, drawing, trained)
