"""How a study stands, from its files alone: what is done, what is not and why, and the run that is at work on it."""

import shlex
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ablation.durations import duration
from ablation.grids import record as records
from ablation.grids.grid import Trial
from ablation.grids.record import Record
from ablation.results import result
from ablation.watching import status
from ablation.watching.watch import Board
from ablation.workspace import Holder, Workspace

NOT_RUN, RUNNING = "not run", "running"
MANY = 10  # from here on, rows that only wait are counted, not listed
LONGEST = 300  # characters of a reason


@dataclass(frozen=True)
class Lack:
    """A trial that is not done. `outcome`: how its last try ended, "running" or "not run"."""

    row: int
    seed: int
    outcome: str
    reason: str = ""

    @property
    def failed(self) -> bool:
        return self.outcome not in (NOT_RUN, RUNNING)


@dataclass(frozen=True)
class Standing:
    """A study as its files say. `holder`: who holds the workspace's lock; `board`: of the last run, or of this one."""

    name: str
    stem: str
    total: int
    lacking: tuple[Lack, ...]
    board: Board | None
    holder: Holder | None

    @property
    def done(self) -> int:
        return self.total - len(self.lacking)

    @property
    def failed(self) -> int:
        return sum(lack.failed for lack in self.lacking)

    @property
    def running(self) -> bool:
        """Whether the run that holds the lock is one of this study."""
        return _is_running(self.board, self.holder)


def _is_running(board: Board | None, holder: Holder | None) -> bool:
    return bool(board and holder and not board.over and (board.host, board.pid) == (holder.host, holder.pid))


def _lack(workspace: Workspace, record: Record, trial: Trial, running: set[str]) -> Lack | None:
    """None where the trial is done."""
    key = record.training_key(trial)
    folder = workspace.training(key)
    if folder.result(trial.step).is_file():
        return None
    if key in running:
        return Lack(trial.row, trial.seed, RUNNING)
    if failure := result.failure(folder):
        return Lack(trial.row, trial.seed, failure.outcome, failure.reason)
    saved = max((epoch for epoch in folder.checkpoints() if epoch < trial.step), default=0)
    return Lack(trial.row, trial.seed, NOT_RUN, f"stopped; it goes on from epoch {saved}" if saved else "")


def read(workspace: Workspace, name: str) -> Standing:
    """How a study stands. Raises AblateError where there is no such study."""
    holder = workspace.holder()  # first: a run that ends meanwhile has written its results by then
    record, board = records.need(workspace, name), status.read(workspace.study(name))
    running = {line.key for line in board.slots if line.key} if board and _is_running(board, holder) else set()
    trials = list(record.grid.trials())
    lacking = filter(None, (_lack(workspace, record, t, running) for t in trials))
    return Standing(name, record.grid.stem, len(trials), tuple(lacking), board, holder)


def read_all(workspace: Workspace) -> list[Standing]:
    return [read(workspace, name) for name in workspace.studies()]


def _counts(found: Standing) -> str:
    missing = len(found.lacking) - found.failed
    parts = (f"{found.failed:,} failed" if found.failed else "", f"{missing:,} missing" if missing else "")
    return ", ".join(filter(None, (f"{found.done:,} of {found.total:,} trials done", *parts)))


def _who(holder: Holder, here: str) -> str:
    if not holder.host:
        return "started this moment"
    return f"pid {holder.pid}" if holder.host == here else f"on {holder.host}, pid {holder.pid}"


def _running_lines(found: Standing, here: str, now: float) -> Iterator[str]:
    board, holder = found.board, found.holder
    assert board is not None
    assert holder is not None
    yield f"runs ({_who(holder, here)}); last sign {duration(max(0.0, now - board.updated))} ago"
    if board.doing:
        yield board.doing
    table = [line.cells(now) for line in board.slots]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
    yield f"all: {board.whole(now)}"


def _resting_lines(found: Standing, here: str, now: float) -> Iterator[str]:
    board = found.board
    if board and not board.over:
        since = duration(max(0.0, now - board.updated))
        yield f"the last run ended without a word (killed?); its last sign was {since} ago"
    if found.holder:
        yield f"another run holds the workspace ({_who(found.holder, here)})"


def _lack_lines(lacking: Iterable[Lack]) -> Iterator[str]:
    told = [lack for lack in lacking if lack.failed]
    waiting = [lack for lack in lacking if not lack.failed]
    for lack in sorted([*told, *(waiting if len(waiting) < MANY else [])], key=lambda each: (each.seed, each.row)):
        reason = f": {lack.reason[:LONGEST]}" if lack.reason else ""
        yield f"row {lack.row}, seed {lack.seed}: {lack.outcome}{reason}"
    if len(waiting) >= MANY:
        running = sum(lack.outcome == RUNNING for lack in waiting)
        yield f"and {len(waiting) - running:,} trials not run yet" + (f", {running:,} running" if running else "")


def go_on(found: Standing, workspace: Workspace, grid: str | None) -> str:
    """The command that does what is missing: the one that was typed last, where it is known."""
    if found.board and found.board.command:
        return shlex.join(("ablate", *found.board.command))
    name = [] if found.name == found.stem else ["--name", found.name]
    return shlex.join(["ablate", "run", "--grid", grid or found.stem, *name, "--workspace", str(workspace.root)])


def draw(found: Standing, workspace: Workspace, grid: str | None, now: float) -> str:
    """What `ablate status` says of one study."""
    here = socket.gethostname()
    lines = [f"{found.name}: {_counts(found)}", *_lack_lines(found.lacking)]
    if found.running:
        return "\n".join([*lines, *_running_lines(found, here, now)])
    table = workspace.study(found.name).table("md")
    end = f"go on: {go_on(found, workspace, grid)}" if found.lacking else f"nothing is missing; table: {table}"
    return "\n".join([*lines, *_resting_lines(found, here, now), end])


def draw_all(found: Sequence[Standing], workspace: Workspace, now: float) -> str:
    """A line a study."""
    holder, here = workspace.holder(), socket.gethostname()
    width = max((len(one.name) for one in found), default=0)
    lines = [f"{one.name:{width}}  {_short(one, now)}" for one in found] or [f"{workspace.root}: no study yet"]
    if holder and not any(one.running for one in found):
        lines.append(f"a run prepares its study ({_who(holder, here)})")
    return "\n".join(lines)


def _short(found: Standing, now: float) -> str:
    return f"{_counts(found)}; runs, {found.board.whole(now)}" if found.board and found.running else _counts(found)


def as_json(found: Standing, workspace: Workspace, grid: str | None, now: float) -> dict[str, Any]:
    """The same for a script. Times are seconds, accuracies fractions; null where unknown."""
    board = found.board if found.running else None
    run = board and {
        "host": board.host,
        "pid": board.pid,
        "last_sign": round(now - board.updated, 1),
        "elapsed": round(now - board.started, 1),
        "left": _seconds(board.ends, now),
        "share": board.share,
        "doing": board.doing,
        "slots": [
            line.model_dump(exclude={"key", "ends"}) | {"left": _seconds(line.ends, now)} for line in board.slots
        ],
    }
    return {
        "study": found.name,
        "total": found.total,
        "done": found.done,
        "failed": found.failed,
        "missing": len(found.lacking) - found.failed,
        "unfinished": [asdict(lack) for lack in found.lacking],
        "running": run,
        "go_on": go_on(found, workspace, grid) if found.lacking and not run else None,
    }


def _seconds(ends: float | None, now: float) -> float | None:
    return None if ends is None else round(max(0.0, ends - now), 1)
