"""Retention of head weights on disk: all heads, none, or those of the selected row."""

from collections.abc import Iterable

from ablation.analysis import selection
from ablation.store import record as records
from ablation.store import result
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.study.grid import Trial

Head = tuple[str, int]  # key of a training, and number of epochs


def _of(record: Record, trial: Trial) -> Head:
    """Return the head of a trial: training key and epochs."""
    return record.training_key(trial), trial.step


def wanted(workspace: Workspace, record: Record) -> set[Head]:
    """Return the heads that a study keeps, by its files. Any row may still be selected until a selection is sealed.
    Where the study selects nothing, all heads are kept."""
    if record.keep == "none":
        return set()
    if record.keep == "all":
        return {_of(record, t) for t in record.grid.trials()}
    chosen = selection.read(workspace, record)
    rows = [chosen.row] if chosen and chosen.row else range(1, len(record.grid.rows) + 1)
    return {_of(record, t) for row in rows for t in record.grid.seeded(row)}


def wanted_by_others(workspace: Workspace, name: str) -> set[Head]:
    """Return the heads that other studies than `name` keep."""
    return {head for other in workspace.studies() if other != name and (record := records.read(workspace.study(other)))
            for head in wanted(workspace, record)}  # fmt: skip


class Retention:
    """Retention for one study while it runs: heads of rows that can no longer be selected are deleted at once, to save
    disk space."""

    def __init__(self, workspace: Workspace, record: Record) -> None:
        self._workspace, self._record = workspace, record
        self._elsewhere = wanted_by_others(workspace, record.name) if record.keep == "selected" else set()
        self._best: tuple[tuple[float, ...], int] | None = None

    def _drop(self, trials: Iterable[Trial]) -> None:
        """Delete the heads of trials, except heads that another study keeps."""
        for trial in trials:
            key, epochs = head = _of(self._record, trial)
            if head not in self._elsewhere:
                self._workspace.training(key).head(epochs).unlink(missing_ok=True)

    def ended(self, row: int) -> None:
        """Record that a trial of `row` is done. Once all seeds of `row` are done, delete the heads of the worse of
        `row` and the best row so far."""
        grid = self._record.grid  # selection on test: the predictions stay closed, so no row can be ruled out
        unknown = grid.on_test or not grid.selects
        if self._record.keep != "selected" or unknown or (self._best and self._best[1] == row):
            return
        trials = list(self._record.grid.seeded(row))
        results = {t: result.read(self._workspace.training(self._record.training_key(t)), t.step)
                 for t in trials}  # fmt: skip
        done = [(t, r) for t, r in results.items() if r and r.done]
        if len(done) < len(trials):
            return
        candidate = selection.rank(self._record, done, [selection.validated(self._record, r) for _, r in done]), row
        best, worse = (
            (candidate, self._best) if self._best is None or candidate < self._best else (self._best, candidate)
        )
        self._best = best
        if worse:
            self._drop(self._record.grid.seeded(worse[1]))

    def selected(self, row: int) -> bool:
        """Delete all heads except those of `row`, where `keep` is "selected". Return whether the heads of `row` are
        stored."""
        if self._record.keep == "selected":
            grid = self._record.grid
            self._drop(t for t in grid.trials() if t.row != row or grid.is_replicate(t))
        heads = (_of(self._record, t) for t in self._record.grid.seeded(row))
        return all(self._workspace.training(key).head(epochs).is_file() for key, epochs in heads)
