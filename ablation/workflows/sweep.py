"""The workflow: run a study, from its images to its table."""

import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ablation.addresses import first_line, with_driver
from ablation.engine import job
from ablation.engine.job import Orders
from ablation.errors import AblateError
from ablation.grids.record import Record
from ablation.outcomes import Status
from ablation.planning import attempts, plan
from ablation.planning.upgrade import opened
from ablation.results import aliases, selection
from ablation.results.findings import collect
from ablation.results.keep import Heads
from ablation.tables.outcome import Look, Outcome, draw, outcome, tests, write
from ablation.views import databases, study, tracking
from ablation.views.runs import Runs
from ablation.views.study import Study
from ablation.views.tracking import Tracker
from ablation.views.trials import Views
from ablation.watching import status
from ablation.watching.watch import Watch
from ablation.workers import pool, slots
from ablation.workers.interrupts import Interrupts
from ablation.workflows.dispatch import Dispatch
from ablation.workflows.options import Options
from ablation.workflows.pools import Ahead, open_pool
from ablation.workflows.prepare import prepare
from ablation.workspace import Workspace


def run(options: Options, watch: Watch, ahead: Ahead | None = None) -> Outcome:
    """Run a study: what is missing is trained, then a row is selected on validation, then the table is drawn. `ahead`:
    holds workers that are loading already.

    Raises AblateError before anything is written where the input is wrong, KeyboardInterrupt where a signal came.
    """
    workspace, ahead = opened(options.workspace, watch.say), ahead or Ahead(options, watch)
    workspace.refuse_locked()
    databases.refuse_foreign_storage(workspace, options.storage)
    databases.refuse_foreign_tracking(workspace, options.tracking)
    with Interrupts(watch.say) as interrupts:
        study = prepare(options, watch)
        record = study.record
        for note in record.notes:
            watch.say(f"note: {note}")
        with workspace.lock():
            study.store(workspace)
            del study  # its pixels: workers map them from disk
            with (
                status.Noted(watch, workspace.study(record.name), _slot_names(options), options.command) as watch,
                _views(options, workspace, record, watch) as views,
            ):
                interrupts.say = watch.say
                heads = Heads(workspace, record)
                trained = _train_missing(options, ahead, workspace, record, heads, views, watch, interrupts)
                if interrupts.asked:
                    raise KeyboardInterrupt
                return _conclude(workspace, record, heads, views, trained, watch)


def _slot_names(options: Options) -> list[str]:
    """[] where workers come and go."""
    if options.scheduler:
        return []
    return ["inline"] if options.inline else [slot.name for slot in slots.parse(options.slots)]


def _open_study(options: Options, workspace: Workspace, record: Record) -> Study:
    try:
        url = with_driver(options.storage) if options.storage else study.create(workspace.optuna)
        return Study(url, record, options.storage is not None, aliases.read(workspace))
    except AblateError:
        raise
    except Exception as error:  # whatever SQLAlchemy and its drivers raise; an address may hold a password: not named
        reason = first_line(error) or type(error).__name__
        raise AblateError(f"--storage: Optuna's database cannot be opened ({reason[:200]})") from None


@contextmanager
def _views(options: Options, workspace: Workspace, record: Record, watch: Watch) -> Iterator[Views]:
    opened = _open_study(options, workspace, record)
    tracker = Tracker(
        workspace.study(record.name).outbox, lambda: tracking.connect(workspace, options.tracking, record.name)
    )
    views = Views(record, opened, Runs(record, tracker))
    try:
        yield views
    finally:
        unsent = views.close()
        if unsent:
            later = "" if tracker.waits_for_user else "; send them with: ablate sync"
            watch.say(f"MLflow: {unsent} messages wait for it ({tracker.error}){later}")
        if tracker.refusal:
            watch.say(f"MLflow: {tracker.refusal}")


def _train_missing(
    options: Options, ahead: Ahead, workspace: Workspace, record: Record, heads: Heads, views: Views,
    watch: Watch, interrupts: Interrupts,
) -> int:  # fmt: skip
    """Train what has no result yet; the number of trials trained."""
    missing = plan.missing(workspace, record, record.grid.trials(), options.retry)
    total = record.grid.size
    watch.trials(total - len(missing), 0, total)
    if not missing:
        return 0
    trainings = plan.trainings(record, missing)
    with ahead.pool(watch) as workers:
        wanted = {artifact.key: artifact for t in trainings for artifact in t.artifacts().values()}
        with interrupts.softly(workers.stop):
            make(workspace, workers, record, wanted, watch, lambda: interrupts.asked)
        if interrupts.asked:
            return 0
        effort = getattr(record.experiment, "effort", lambda training: training.steps)
        work = {t.key: float(effort(t)) for t in trainings}
        orders = Orders(uuid.uuid4().hex, record.keep)
        dispatch = Dispatch(workspace, record, heads, views, watch, trainings, work, orders, options.timeout)
        _dispatch(dispatch, workers, interrupts)
    if dispatch.alone():
        with open_pool(options, watch, alone=True) as workers:
            _dispatch(dispatch, workers, interrupts)
    return len(missing)


def _dispatch(dispatch: Dispatch, workers: pool.Pool, interrupts: Interrupts) -> None:
    def stop() -> None:
        dispatch.stop()
        workers.stop()

    with interrupts.softly(stop):
        dispatch.run(workers)


def make(
    workspace: Workspace, workers: pool.Pool, record: Record, wanted: Mapping[str, Any], watch: Watch,
    asked: Callable[[], bool] = lambda: False,
) -> None:  # fmt: skip
    """Make what is lacking of the artifacts that trainings share, until all is there, or it is `asked` to stop."""
    plugin, experiment = record.grid.factors.plugin, record.experiment
    lacking = {key: wanted[key] for key in sorted(wanted) if not experiment.is_ready(workspace, wanted[key])}
    waiting, tries = deque(lacking), Counter[str]()
    what = getattr(experiment, "making", "preparing")

    def take() -> pool.Task | None:
        key = waiting.popleft() if waiting and not asked() else None
        return pool.Task(key, job.make, (workspace.root.absolute(), plugin, lacking[key])) if key else None

    def reported(_: str, message: dict[str, Any]) -> None:
        watch.step(what, message["done"], message["of"])

    if waiting:
        watch.step(what, 0, 1)  # until a worker has loaded its backend, nothing else is said
    for key, ended in workers.run(take, pool.Listener(reported=reported)):
        tries[key] += 1
        if asked() or ended.status is Status.INTERRUPTED:
            waiting.clear()
        elif ended.status in (Status.KILLED, Status.TIMED_OUT) and tries[key] < attempts.TRIES:
            waiting.append(key)
        elif ended.status is not Status.DONE:
            raise AblateError(
                f"{getattr(experiment, 'made', 'artifact')} {key} could not be computed: {ended.reason}; "
                f"the log is under {workspace.log('').parent}"
            )


def _conclude(workspace: Workspace, record: Record, heads: Heads, views: Views, trained: int, watch: Watch) -> Outcome:
    """Select, seal, and only then open the test predictions; draw the tables and tell the views."""
    results = collect(workspace, record)
    found = selection.select(workspace, record, results)
    sealed = selection.seal(workspace.study(record.name), found) if found else None
    kept = record.kept if record.keep != "none" else ""
    if sealed and sealed.row and not heads.selected(sealed.row) and kept:
        watch.say(f"note: the {kept} of row {sealed.row}, selected now, was not kept when it was trained")
    drawing = draw(workspace, record, results, sealed, Look(importances=study.importances))
    write(workspace, drawing)
    views.agree(drawing, tests(workspace, drawing.findings))
    return outcome(workspace, drawing, trained)
