"""Status of a study, from its files alone: done trials, missing trials with the reason, and the active run."""

import shlex
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ablation.durations import duration
from ablation.outcomes import Status
from ablation.progress import recorder
from ablation.progress.listener import Snapshot
from ablation.store import record as records
from ablation.store import result
from ablation.store.record import Record
from ablation.store.workspace import Holder, Workspace
from ablation.study.grid import Trial

NOT_RUN, RUNNING = "not run", "running"
MANY = 10  # from this number on, rows that were not run are counted instead of listed
LONGEST = 300  # characters of a reason


@dataclass(frozen=True)
class MissingTrial:
    """Trial that is not done. `outcome`: how its last attempt ended, "running" or "not run"."""

    row: int
    seed: int
    outcome: str
    reason: str = ""

    @property
    def failed(self) -> bool:
        return self.outcome not in (NOT_RUN, RUNNING, Status.PRUNED)


@dataclass(frozen=True)
class StudyStatus:
    """Status of a study according to its files.

    `holder`: the process that holds the workspace's lock. `snapshot`: snapshot of the last run, or of the active run.
    `imported`: whether the results were imported, so that nothing is resumed.
    """

    name: str
    stem: str
    total: int
    lacking: tuple[MissingTrial, ...]
    snapshot: Snapshot | None
    holder: Holder | None
    imported: bool = False

    @property
    def done(self) -> int:
        return self.total - len(self.lacking)

    @property
    def failed(self) -> int:
        return sum(trial.failed for trial in self.lacking)

    @property
    def pruned(self) -> int:
        """Number of runs of a source that a search stopped."""
        return sum(trial.outcome == Status.PRUNED for trial in self.lacking)

    @property
    def missing(self) -> int:
        """Number of trials that have not ended."""
        return len(self.lacking) - self.failed - self.pruned

    @property
    def running(self) -> bool:
        """True if the run that holds the lock is a run of this study."""
        return _is_running(self.snapshot, self.holder)


def _is_running(snapshot: Snapshot | None, holder: Holder | None) -> bool:
    return bool(
        snapshot and holder and not snapshot.over and (snapshot.host, snapshot.pid) == (holder.host, holder.pid)
    )


def _missing_trial(workspace: Workspace, record: Record, trial: Trial, running: set[str]) -> MissingTrial | None:
    """Return the missing trial with its reason, or None where the trial is done."""
    key = record.training_key(trial)
    folder = workspace.training(key)
    if folder.result(trial.step).is_file():
        return None
    if key in running:
        return MissingTrial(trial.row, trial.seed, RUNNING)
    if failure := result.failure(folder):
        return MissingTrial(trial.row, trial.seed, failure.outcome, failure.reason)
    saved = max((epoch for epoch in folder.checkpoints() if epoch < trial.step), default=0)
    return MissingTrial(trial.row, trial.seed, NOT_RUN, f"stopped; will resume from epoch {saved}" if saved else "")


def read(workspace: Workspace, name: str) -> StudyStatus:
    """Return the status of a study. Raises AblateError where the study does not exist."""
    holder = workspace.holder()  # read first: if the run ends meanwhile, its results are already written
    record, snapshot = records.need(workspace, name), recorder.read(workspace.study(name))
    running = {line.key for line in snapshot.slots if line.key} if snapshot and _is_running(snapshot, holder) else set()
    trials = list(record.grid.trials())
    missing_trials = filter(None, (_missing_trial(workspace, record, t, running) for t in trials))
    return StudyStatus(name, record.grid.stem, len(trials), tuple(missing_trials), snapshot, holder,
                       record.grid.is_imported)  # fmt: skip


def read_all(workspace: Workspace) -> list[StudyStatus]:
    return [read(workspace, name) for name in workspace.studies()]


def _counts(status: StudyStatus) -> str:
    counts = {"failed": status.failed, "pruned": status.pruned, "missing": status.missing}
    parts = (f"{n:,} {word}" if n else "" for word, n in counts.items())
    return ", ".join(filter(None, (f"{status.done:,} of {status.total:,} trials done", *parts)))


def _who(holder: Holder, host: str) -> str:
    if not holder.host:
        return "just started"
    return f"pid {holder.pid}" if holder.host == host else f"on {holder.host}, pid {holder.pid}"


def _running_lines(status: StudyStatus, host: str, now: float) -> Iterator[str]:
    snapshot, holder = status.snapshot, status.holder
    assert snapshot is not None
    assert holder is not None
    yield f"running ({_who(holder, host)}); last update {duration(max(0.0, now - snapshot.updated))} ago"
    if snapshot.doing:
        yield snapshot.doing
    table = [line.cells(now) for line in snapshot.slots]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
    yield f"all: {_whole(status, snapshot, now)}"


def _whole(status: StudyStatus, snapshot: Snapshot, now: float) -> str:
    """Return the line for the whole run. The files count the trials: a snapshot is written every few seconds."""
    counts = {"total": status.total, "done": status.done, "failed": status.failed}
    return snapshot.model_copy(update=counts).whole(now)


def _resting_lines(status: StudyStatus, host: str, now: float) -> Iterator[str]:
    snapshot = status.snapshot
    if snapshot and not snapshot.over:
        since = duration(max(0.0, now - snapshot.updated))
        yield f"the last run ended unexpectedly (killed?); its last update was {since} ago"
    if status.holder:
        yield f"another run is using the workspace ({_who(status.holder, host)})"


def _lack_lines(trials: Iterable[MissingTrial]) -> Iterator[str]:
    ended = [trial for trial in trials if trial.outcome != Status.PRUNED]
    failed = [trial for trial in ended if trial.failed]
    waiting = [trial for trial in ended if not trial.failed]
    for trial in sorted([*failed, *(waiting if len(waiting) < MANY else [])], key=lambda t: (t.seed, t.row)):
        reason = f": {trial.reason[:LONGEST]}" if trial.reason else ""
        yield f"row {trial.row}, seed {trial.seed}: {trial.outcome}{reason}"
    if len(waiting) >= MANY:
        running = sum(trial.outcome == RUNNING for trial in waiting)
        yield f"and {len(waiting) - running:,} trials not run yet" + (f", {running:,} running" if running else "")


def go_on(status: StudyStatus, workspace: Workspace, grid: str | None) -> str:
    """Return the command that completes the study: the command that was typed last, if it is recorded.

    Args:
        status: Status of the study.
        workspace: The workspace.
        grid: Study file or its name. Default: the name in the study's record.
    """
    if status.snapshot and status.snapshot.command:
        return shlex.join(("ablate", *status.snapshot.command))
    name = [] if status.name == status.stem else ["--name", status.name]
    return shlex.join(["ablate", "run", "--grid", grid or status.stem, *name, "--workspace", str(workspace.root)])


def draw(status: StudyStatus, workspace: Workspace, grid: str | None, now: float) -> str:
    """Return the text of `ablate status` for one study.

    Args:
        status: Status of the study.
        workspace: The workspace.
        grid: Study file or its name, for the command that completes the study.
        now: Unix seconds.
    """
    host = socket.gethostname()
    lines = [f"{status.name}: {_counts(status)}", *_lack_lines(status.lacking)]
    if status.running:
        return "\n".join([*lines, *_running_lines(status, host, now)])
    table = workspace.study(status.name).table("md")
    end = f"complete; table: {table}"
    if status.imported:
        end = f"imported, a second `ablate import` reads the source again; table: {table}"
    elif status.lacking:
        end = f"resume: {go_on(status, workspace, grid)}"
    return "\n".join([*lines, *_resting_lines(status, host, now), end])


def draw_all(statuses: Sequence[StudyStatus], workspace: Workspace, now: float) -> str:
    """Return one line per study; `now` is in unix seconds."""
    holder, host = workspace.holder(), socket.gethostname()
    width = max((len(status.name) for status in statuses), default=0)
    lines = [f"{status.name:{width}}  {_short(status, now)}" for status in statuses] or [
        f"{workspace.root.absolute()}: no study yet"
    ]
    if holder and not any(status.running for status in statuses):
        lines.append(f"a run is preparing its study ({_who(holder, host)})")
    return "\n".join(lines)


def _short(status: StudyStatus, now: float) -> str:
    return (
        f"{_counts(status)}; running, {_whole(status, status.snapshot, now)}"
        if status.snapshot and status.running
        else _counts(status)
    )


def as_json(status: StudyStatus, workspace: Workspace, grid: str | None, now: float) -> dict[str, Any]:
    """Return the status for scripts. Times are in seconds, accuracies are fractions; null where unknown.

    Args:
        status: Status of the study.
        workspace: The workspace.
        grid: Study file or its name, for the command that completes the study.
        now: Unix seconds.
    """
    snapshot = status.snapshot if status.running else None
    run = snapshot and {
        "host": snapshot.host,
        "pid": snapshot.pid,
        "last_sign": round(max(0.0, now - snapshot.updated), 1),
        "elapsed": round(max(0.0, now - snapshot.started), 1),
        "left": _seconds(snapshot.ends, now),
        "share": snapshot.share,
        "doing": snapshot.doing,
        "slots": [
            line.model_dump(exclude={"key", "ends"}) | {"left": _seconds(line.ends, now)} for line in snapshot.slots
        ],
    }
    return {
        "study": status.name,
        "total": status.total,
        "done": status.done,
        "failed": status.failed,
        "pruned": status.pruned,
        "missing": status.missing,
        "unfinished": [asdict(trial) for trial in status.lacking],
        "running": run,
        "go_on": go_on(status, workspace, grid) if status.lacking and not run and not status.imported else None,
    }


def _seconds(ends: float | None, now: float) -> float | None:
    return None if ends is None else round(max(0.0, ends - now), 1)
