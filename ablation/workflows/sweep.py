"""Steps of `ablate run` after the check of its options: prepare, plan, train, conclude."""

import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from ablation.analysis import selection
from ablation.analysis.held_out import held_out
from ablation.analysis.retention import Retention
from ablation.analysis.study_analysis import collect
from ablation.engine import attempts, job, pool
from ablation.engine.cost import PastTrainings, past_trainings
from ablation.engine.run import JobSettings
from ablation.errors import AblateError
from ablation.model.run_summary import RunSummary
from ablation.outcomes import Status
from ablation.progress import recorder
from ablation.progress.listener import ProgressListener
from ablation.report.build import RenderOptions, build, summarize, write
from ablation.signals import Interrupts
from ablation.store import retrained, study_history
from ablation.store.record import Record
from ablation.store.training import trainings
from ablation.store.workspace import Workspace
from ablation.study.grid import Trial
from ablation.trackers import databases
from ablation.trackers.agreement import Agreement
from ablation.trackers.client import Client
from ablation.trackers.local_copies import local_copies
from ablation.trackers.optuna_importances import importances
from ablation.trackers.trackers import Trackers
from ablation.workflows import code_changes
from ablation.workflows.checked_options import CheckedOptions
from ablation.workflows.prepare import prepare
from ablation.workflows.publish import for_trackers
from ablation.workflows.run_options import NO_TRACKERS, RunOptions
from ablation.workflows.scheduler import Scheduler
from ablation.workflows.study_run import StudyRun
from ablation.workflows.warm_pool import WarmPool, open_pool


def sweep(checked: CheckedOptions, warm_pool: WarmPool, watch: ProgressListener, interrupts: Interrupts) -> RunSummary:
    """Prepare the study, train its missing trials, and conclude it.

    Args:
        checked: Options of the command.
        warm_pool: Pool of workers that are loading already.
        watch: Listener for progress and notes.
        interrupts: Signals of the command.

    Raises:
        AblateError: The input is wrong; raised before anything is written, or once a training has shown it.
        KeyboardInterrupt: A signal arrived.
    """
    options, workspace = checked.options, checked.workspace
    if options.trackers != NO_TRACKERS:
        databases.refuse_foreign_storage(workspace, options.storage)
        databases.refuse_foreign_tracking(workspace, options.tracking)
    study = prepare(checked, watch)
    record = study.record
    for note in record.all_notes:
        watch.say(f"note: {note}")
    with workspace.lock():
        study_history.note(workspace.study(record.name), options.files)  # before a first record is written
        study.store(workspace)
        code_changes.supersede(workspace, record.name, outdated := study.outdated, watch)
        missing = checked.missing_of(record, is_stale=bool(outdated))
        past = _past(workspace, record) if missing else PastTrainings()
        del study  # frees the pixels, which workers map from disk
        with (
            recorder.Recorder(
                watch,
                workspace.study(record.name),
                _slot_names(options),
                options.command,
                "epoch" if record.grid.factors.shared == "epochs" else "step",
                past.seconds,
            ) as watch,
            _trackers(options, workspace, record, watch) as trackers,
        ):
            interrupts.say = watch.say
            study_run = StudyRun(workspace, record, Retention(workspace, record), trackers, watch, past)
            _train(missing, options, warm_pool, study_run, interrupts)
            if interrupts.asked:
                raise KeyboardInterrupt
            return _conclude(study_run, missing)


def _slot_names(options: RunOptions) -> list[str]:
    """Return the names of the slots; [] on a Dask scheduler, where the number of workers changes."""
    if options.scheduler:
        return []
    return ["inline"] if options.inline else [slot.name for slot in options.used_slots]


def _past(workspace: Workspace, record: Record) -> PastTrainings:
    """Return the past trainings of an experiment that does not estimate its costs itself."""
    if hasattr(record.experiment, "estimate"):
        return PastTrainings()
    return past_trainings(workspace, record.grid.factors.experiment)


@contextmanager
def _trackers(options: RunOptions, workspace: Workspace, record: Record, watch: ProgressListener) -> Iterator[Trackers]:
    def connect(beneath: ExitStack) -> list[Client]:
        if options.trackers == NO_TRACKERS:
            return []
        from ablation.workflows import clients  # loads Optuna and MLflow

        local = beneath.enter_context(local_copies(workspace, watch.say))
        return clients.opened(options, local, record, watch)

    is_own = options.trackers != NO_TRACKERS and not options.storage and not options.tracking
    trackers = Trackers(record, connect, Agreement(workspace, record) if is_own else None)
    try:
        yield trackers
    finally:
        for note in trackers.close(options.drain):
            watch.say(note)


def _train(
    missing: Sequence[Trial], options: RunOptions, warm_pool: WarmPool, study: StudyRun, interrupts: Interrupts
) -> None:
    """Train trials.

    Args:
        missing: Trials without a result.
        options: Options of the command.
        warm_pool: Pool of workers that may be loading already.
        study: The study.
        interrupts: Signals of the command.
    """
    workspace, record, watch = study.workspace, study.record, study.watch
    watch.trials(record.grid.size - len(missing), 0, record.grid.size)
    if not missing:
        return
    study.trackers.open()  # before work that a database in the way would waste
    to_do = trainings(record, missing)
    for training in to_do:
        attempts.check(workspace.training(training.key))
    with warm_pool.pool(watch) as workers:
        wanted = {artifact.key: artifact for t in to_do for artifact in t.artifacts().values()}
        with interrupts.softly(workers.stop, workers.end):
            make(workspace, workers, record, wanted, watch, lambda: interrupts.asked)
        if interrupts.asked:
            return
        effort = getattr(record.experiment, "effort", lambda training: training.steps)
        work = {t.key: float(effort(t)) for t in to_do}
        settings = JobSettings(uuid.uuid4().hex, record.keep, options.stop_after, debug=options.debug)
        scheduler = Scheduler(study, to_do, work, settings, options.timeout)
        _dispatch(scheduler, workers, interrupts)
    if scheduler.alone():
        with open_pool(options, watch, alone=True) as workers:
            _dispatch(scheduler, workers, interrupts)
    if scheduler.contract_error:
        raise AblateError(scheduler.contract_error)


def _dispatch(scheduler: Scheduler, workers: pool.Pool, interrupts: Interrupts) -> None:
    def stop() -> None:
        scheduler.stop()
        workers.stop()

    with interrupts.softly(stop, workers.end):
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


def _conclude(study: StudyRun, tried: Sequence[Trial]) -> RunSummary:
    """Select and seal, and only then open the test predictions; draw the tables and update the trackers.

    `tried`: trials that this command was to train.
    """
    workspace, record = study.workspace, _observed(study.workspace, study.record)
    results = collect(workspace, record)
    sealed = selection.select_and_seal(workspace, record, results)
    retrained.forget(workspace.study(record.name))
    kept = record.kept if record.keep != "none" else ""
    if sealed and sealed.row and not study.retention.selected(sealed.row) and kept:
        study.watch.say(f"note: row {sealed.row} is selected now, but its {kept} was not kept when it was trained")
    getattr(record.experiment, "inspect", lambda workspace, record: None)(workspace, record)
    drawing = build(workspace, record, results, sealed, RenderOptions(importances=importances))
    write(workspace, drawing)
    study.trackers.agree(for_trackers(drawing, workspace, study.watch.say), held_out(workspace, drawing.study))
    n_trained = sum(1 for trial in tried if (outcome := results.get(trial)) and outcome.done)
    return replace(summarize(workspace, drawing, n_trained), tried=len(tried))


def _observed(workspace: Workspace, record: Record) -> Record:
    """Return the record with the measures that the results have shown, and store it; most experiments declare them."""
    observed = getattr(record.experiment, "observed", None)
    if observed is None or (inputs := observed(workspace, record)) == record.inputs:
        return record
    record = record.model_copy(update={"inputs": inputs})
    record.write(workspace.study(record.name))
    return record
