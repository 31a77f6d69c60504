"""Which heads stay on disk: all, none, or those of the row that is selected."""

from collections.abc import Iterable

from ablation.grids import record as records
from ablation.grids.grid import Trial
from ablation.grids.record import Record
from ablation.results import result, selection
from ablation.workspace import Workspace

Head = tuple[str, int]  # a training's key, and after how many epochs


def _of(record: Record, trial: Trial) -> Head:
    return record.training_key(trial), trial.step


def wanted(workspace: Workspace, record: Record) -> set[Head]:
    """The heads that a study keeps, as its files say: any of them may be selected until one is; where nothing is to be
    selected, all are kept."""
    if record.keep == "none":
        return set()
    if record.keep == "all":
        return {_of(record, t) for t in record.grid.trials()}
    chosen = selection.read(workspace, record)
    rows = [chosen.row] if chosen and chosen.row else range(1, len(record.grid.rows) + 1)
    return {_of(record, t) for row in rows for t in record.grid.seeded(row)}


def wanted_by_others(workspace: Workspace, name: str) -> set[Head]:
    """The heads that studies beside `name` keep."""
    return {head for other in workspace.studies() if other != name and (found := records.read(workspace.study(other)))
            for head in wanted(workspace, found)}  # fmt: skip


class Heads:
    """Those of one study while it runs: what can no longer be selected is dropped at once, so that few lie on disk."""

    def __init__(self, workspace: Workspace, record: Record) -> None:
        self._workspace, self._record = workspace, record
        self._elsewhere = wanted_by_others(workspace, record.name) if record.keep == "selected" else set()
        self._best: tuple[tuple[float, ...], int] | None = None

    def _drop(self, trials: Iterable[Trial]) -> None:
        for trial in trials:
            key, epochs = head = _of(self._record, trial)
            if head not in self._elsewhere:
                self._workspace.training(key).head(epochs).unlink(missing_ok=True)

    def ended(self, row: int) -> None:
        """A trial of `row` is done. Once all of its seeds are, it or the best row so far goes."""
        grid = self._record.grid  # on test, it is not known which row will be selected: predictions stay closed
        unknown = grid.on_test or not grid.selects
        if self._record.keep != "selected" or unknown or (self._best and self._best[1] == row):
            return
        trials = list(self._record.grid.seeded(row))
        found = {t: result.read(self._workspace.training(self._record.training_key(t)), t.step)
                 for t in trials}  # fmt: skip
        done = [(t, r) for t, r in found.items() if r and r.done]
        if len(done) < len(trials):
            return
        this = selection.rank(self._record, done, [selection.validated(self._record, r) for _, r in done]), row
        best, worse = (this, self._best) if self._best is None or this < self._best else (self._best, this)
        self._best = best
        if worse:
            self._drop(self._record.grid.seeded(worse[1]))

    def selected(self, row: int) -> bool:
        """Drop all heads but those of `row`; whether these are there."""
        if self._record.keep == "selected":
            grid = self._record.grid
            self._drop(t for t in grid.trials() if t.row != row or grid.is_replicate(t))
        heads = (_of(self._record, t) for t in self._record.grid.seeded(row))
        return all(self._workspace.training(key).head(epochs).is_file() for key, epochs in heads)
