"""How a study stands: its tables, drawn from files alone, and what of it is not done. No database, no backend."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ablation import evaluation, export, selection, table
from ablation import record as records
from ablation.errors import AblateError
from ablation.grid import Trial
from ablation.record import Record
from ablation.result import Predictions, Result
from ablation.selection import Selection
from ablation.workspace import Workspace, write_text

Results = Mapping[Trial, Result | None]
Opened = dict[Trial, tuple[np.ndarray, Predictions]]  # test labels and predictions, once they may be opened


@dataclass(frozen=True)
class Outcome:
    """How a study stands. `unfinished`: (row, seed, outcome, reason) of each trial without a result."""

    folder: Path
    markdown: str
    trained: int
    unfinished: tuple[tuple[int, int, str, str], ...]


def check_name(name: str) -> None:
    """A study's name is a folder of the workspace, and stands in databases. Raises AblateError."""
    if not re.fullmatch(r"[\w+-][\w.+-]{0,99}", name) or name in ("cache", "log", "trained", "mlartifacts"):
        raise AblateError(f"study name {name!r} is not allowed; pass --name with letters, digits, and . _ + - between")


def done(results: Results) -> dict[Trial, Result]:
    """The finished trials."""
    return {t: r for t, r in results.items() if r and r.done}


def draw(
    workspace: Workspace, record: Record, results: Results, sealed: Selection | None
) -> tuple[Opened, dict[str, str]]:
    """Write the study's tables. Returns the test predictions, opened only if a selection is sealed, and the tables
    that hold nothing of when and where: file name -> content."""
    opened = selection.unseal(workspace, record, sealed, done(results)) if sealed else {}
    tests = {t: evaluation.scores(labels, p.classes, p.losses) for t, (labels, p) in opened.items()}
    labels = next((labels for labels, _ in opened.values()), None)
    trials = table.trials_frame(record, results, tests)
    rows = table.rows_frame(record, trials, sealed)
    model = table.build(record, rows, None if labels is None else evaluation.majority(labels), sealed)
    drawn = {"table.csv": export.csv(rows)} | {f"table.{s}": draw(model) for s, draw in export.FORMATS.items()}
    folder = workspace.study(record.name)
    for name, content in drawn.items():
        write_text(folder.path / name, content)
    write_text(folder.trials, export.csv(trials))
    return opened, drawn


def outcome(workspace: Workspace, record: Record, results: Results, drawn: dict[str, str], trained: int) -> Outcome:
    """What is to be said of a study whose tables are `drawn`."""
    unfinished = [
        (t.row, t.seed, r.outcome if r else table.NOT_RUN, r.reason if r else "")
        for t, r in results.items()
        if not (r and r.done)
    ]
    return Outcome(workspace.study(record.name).path, drawn["table.md"], trained, tuple(unfinished))


def redraw(workspace: Workspace, name: str) -> Outcome:
    """The tables of a study again, from its files alone. Raises AblateError where there is no such study."""
    check_name(name)
    record = records.need(workspace, name)
    results = table.collect(workspace, record)
    _, drawn = draw(workspace, record, results, selection.read(workspace.study(name)))
    return outcome(workspace, record, results, drawn, 0)
