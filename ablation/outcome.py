"""How a study stands: its tables, drawn from files alone, and what of it is not done. No database, no backend."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ablation import evaluation, export, selection, table
from ablation import record as records
from ablation.errors import AblateError
from ablation.grid import Trial
from ablation.record import Record
from ablation.result import Result
from ablation.selection import Opener, Selection
from ablation.workspace import Workspace, write_text

Results = Mapping[Trial, Result | None]


@dataclass(frozen=True)
class Tests:
    """What is known of the test set once a selection is sealed. `scores`: of each finished trial, metric -> value."""

    scores: dict[Trial, dict[str, float]]
    opened: Opener


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


def _test(workspace: Workspace, record: Record, results: Results, sealed: Selection) -> Tests:
    opened, scores = selection.unseal(workspace, record, sealed), {}
    for trial, found in done(results).items():
        labels, predictions = opened(trial, found)
        scores[trial] = evaluation.scores(labels, predictions.classes, predictions.losses)
    return Tests(scores, opened)


def _majority(record: Record, tests: Tests | None) -> float | None:
    """Share of the test set's largest class: the accuracy of always guessing it."""
    trial = next(iter(tests.scores), None) if tests else None
    counts = record.counts[trial.condition.split]["test"] if trial else ()
    return max(counts) / sum(counts) if counts else None


def draw(
    workspace: Workspace, record: Record, results: Results, sealed: Selection | None
) -> tuple[Tests | None, dict[str, str]]:
    """Write the study's tables. Returns what is known of the test set, which is opened only if a selection is sealed,
    and the tables that hold nothing of when and where: file name -> content."""
    tests = _test(workspace, record, results, sealed) if sealed else None
    trials = table.trials_frame(record, results, tests.scores if tests else {})
    rows = table.rows_frame(record, trials, sealed)
    model = table.build(record, rows, _majority(record, tests), sealed)
    drawn = {"table.csv": export.csv(rows)} | {f"table.{s}": draw(model) for s, draw in export.FORMATS.items()}
    folder = workspace.study(record.name)
    for name, content in drawn.items():
        write_text(folder.path / name, content)
    write_text(folder.trials, export.csv(trials))
    return tests, drawn


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
