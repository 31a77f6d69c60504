"""Retention on disk of head weights, and of the files of a user's experiment: of all rows, none, or the selected one.

A head is of one milestone. Files are of a training: they stay while one of its milestones is kept, or has no result.
"""

from collections.abc import Iterable

from ablation.analysis import selection
from ablation.store import outputs, result
from ablation.store import record as records
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


def unfinished(workspace: Workspace, record: Record) -> set[Head]:
    """Return the heads of trials without a result, whose trainings may continue."""
    heads = {_of(record, trial) for trial in record.grid.trials()}
    return {(key, step) for key, step in heads if not result.is_done(workspace.training(key), step)}


def wanted_by_others(workspace: Workspace, record: Record) -> set[Head]:
    """Return the heads that other studies than that of `record` keep, or have no result of."""
    others = records.others(workspace, record.name)
    return {head for other in others for head in wanted(workspace, other) | unfinished(workspace, other)}


class Retention:
    """Retention for one study while it runs: what is of rows that can no longer be selected is deleted at once, to save
    disk space."""

    def __init__(self, workspace: Workspace, record: Record) -> None:
        self._workspace, self._record = workspace, record
        self._wanted_by_others = wanted_by_others(workspace, record) if record.keep != "all" else set()
        self._best: tuple[tuple[float, ...], int] | None = None
        self._dropped: set[Head] = set()
        self._steps: dict[str, set[Head]] = {}  # key of a training -> heads of all of its trials
        for trial in record.grid.trials():
            head = _of(record, trial)
            self._steps.setdefault(head[0], set()).add(head)

    def _drop(self, trials: Iterable[Trial]) -> None:
        """Delete the heads and files of trials, except those that another study keeps."""
        for trial in trials:
            key, epochs = head = _of(self._record, trial)
            self._dropped.add(head)
            if self._record.keep == "selected" and head not in self._wanted_by_others:
                self._workspace.training(key).head(epochs).unlink(missing_ok=True)
            self._drop_files(key)

    def _drop_files(self, key: str) -> None:
        """Delete the files of a training that is done, where none of its trials is kept."""
        folder, heads = self._workspace.training(key), self._steps[key]
        is_kept = not heads <= self._dropped or any(key == other for other, _ in self._wanted_by_others)
        if is_kept or not folder.outputs() or not all(result.is_done(folder, step) for _, step in heads):
            return
        with folder.lock(lambda: True) as held:
            if held:  # a child may write after its last result
                outputs.delete(folder)

    def ended(self, row: int) -> None:
        """Record that a trial of `row` is done. Once all seeds of `row` are done, delete what is of the worse of `row`
        and the best row so far."""
        grid = self._record.grid  # selection on test: the predictions stay closed, so no row can be ruled out
        if self._record.keep == "none":
            self._drop(trial for trial in grid.trials() if trial.row == row)
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
        """Delete what is not of `row`, where `keep` is "selected"; with "none", delete everything. Return whether
        everything of `row` is stored."""
        grid, keep = self._record.grid, self._record.keep
        if keep != "all":
            self._drop(t for t in grid.trials() if keep == "none" or t.row != row or grid.is_replicate(t))
        return all(self._is_stored(*_of(self._record, t)) for t in grid.seeded(row))

    def _is_stored(self, key: str, epochs: int) -> bool:
        folder = self._workspace.training(key)
        return folder.head(epochs).is_file() or (folder.child.is_dir() and not folder.deleted.is_file())
