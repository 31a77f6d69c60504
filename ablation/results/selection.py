"""The declared rule, on validation alone; and the seal: until it is written, no test predictions are opened."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ablation.datasets import splits
from ablation.errors import AblateError
from ablation.grids.grid import Trial
from ablation.grids.record import Record
from ablation.results import aliases
from ablation.results.result import Predictions, Result
from ablation.statistics import evaluation, stability
from ablation.workspace import StudyFolder, Workspace, read_json, write_json

Opener = Callable[[Trial, Result], tuple[np.ndarray, Predictions]]  # of a finished trial: a split's labels, predictions
WORDS = {"macro_f1": "macro-F1", "weighted_f1": "weighted F1", "micro_f1": "micro-F1"}


class Selection(BaseModel):
    """The content of selection.json."""

    model_config = ConfigDict(frozen=True)

    rule: str
    metric: str
    row: int
    trials: tuple[str, ...]  # the row's: its number moves where rows are inserted
    value: float  # mean over the row's seeds
    validation: str  # digest of the validation predictions that were compared
    sealed: str  # when, UTC
    earlier: tuple[dict[str, Any], ...] = ()  # selections of the same study that this one replaces

    @property
    def on_test(self) -> bool:
        return self.metric.startswith("test_")


Rank = tuple[float, int, int, int]  # the smallest is the best


def rank(record: Record, done: Sequence[tuple[Trial, Result]], values: Iterable[float]) -> Rank:
    """Of one row, from its finished trials: by the mean of `values` over seeds, then by what it costs."""
    trial, result = done[0]
    mean = round(fmean(values), 12)  # equal counts are equal, however they are summed
    return (mean if record.grid.metric == "loss" else -mean, *stability.cost(record, trial.row, result.parameters))


def validated(record: Record, result: Result) -> float:
    """The metric that rows are selected by, of one finished trial on validation."""
    return result.scores["val"][record.grid.metric]


def select(workspace: Workspace, record: Record, results: Mapping[Trial, Result]) -> Selection | None:
    """The best row on validation; exact ties go to the fewest parameters, then the fewest updates, then the first row.
    Test predictions are opened here only where the study file says `select_on_test`.

    `results`: of the finished trials; replicates of the reference play no part. None where there are none.
    """
    grid = record.grid
    rows: dict[int, list[tuple[Trial, Result]]] = {}
    results = {t: r for t, r in results.items() if not grid.is_replicate(t)}
    for trial, result in results.items():
        rows.setdefault(trial.row, []).append((trial, result))
    values = _tested(workspace, record, results) if grid.on_test else {
        t: validated(record, r) for t, r in results.items()
    }  # fmt: skip
    ranks = {row: rank(record, done, [values[t] for t, _ in done]) for row, done in rows.items()}
    if not ranks:
        return None
    best = min(ranks, key=ranks.__getitem__)
    compared = {record.trial_key(t): r.predictions["val"] for t, r in results.items()}
    return Selection(
        rule=f"{'lowest' if grid.metric == 'loss' else 'highest'} {'test' if grid.on_test else 'validation'} "
        f"{WORDS.get(grid.metric, grid.metric)} at the last epoch "
        "(ties: fewest parameters, then fewest updates, then the first row)",
        metric=grid.select_on,
        row=best,
        trials=_trials(record, best),
        value=abs(ranks[best][0]),
        validation=_digest(workspace, compared),
        sealed=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _digest(workspace: Workspace, compared: Mapping[str, str]) -> str:
    """Return one name for the validation predictions that were compared. `compared`: id of a trial -> sha256; an id
    counts as it was first, so that renaming changes nothing."""
    known = aliases.read(workspace)
    first = sorted((aliases.former(known, trial), sha256) for trial, sha256 in compared.items())
    return hashlib.sha256(json.dumps(first).encode()).hexdigest()


def _trials(record: Record, row: int) -> tuple[str, ...]:
    return tuple(sorted(record.trial_key(t) for t in record.grid.seeded(row)))


def _place(record: Record, trials: Iterable[str]) -> int | None:
    rows, wanted = range(1, len(record.grid.rows) + 1), set(trials)
    return next((r for r in rows if not wanted.isdisjoint(_trials(record, r))), None)


def _sealed(folder: StudyFolder) -> Selection | None:
    found = read_json(folder.selection)
    try:
        return _renamed(folder, Selection.model_validate(found)) if found else None
    except ValidationError:
        raise AblateError(f"{folder.selection}: not what this version reads; remove it and run again") from None


def _renamed(folder: StudyFolder, found: Selection) -> Selection:
    """With the ids that its trials have now."""
    known = aliases.read(Workspace(folder.path.parent))
    if not known:
        return found
    earlier = tuple({**each, "trials": _current(known, each["trials"])} for each in found.earlier)
    return found.model_copy(update={"trials": _current(known, found.trials), "earlier": earlier})


def _current(known: Mapping[str, str], trials: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(aliases.current(known, trial) for trial in trials))


def read(workspace: Workspace, record: Record) -> Selection | None:
    """What was selected, under the number that its row has now; None where nothing was, or where that row is gone.
    Raises AblateError where the file is broken."""
    found = _sealed(workspace.study(record.name))
    if found is None:
        return None
    row = _place(record, found.trials)
    return None if row is None else found.model_copy(update={"row": row})


def before(record: Record, found: Selection) -> str:
    """What was selected earlier, and what has changed since, in words; rows under the numbers that they have now."""
    rows = dict.fromkeys(_place(record, e["trials"]) for e in found.earlier)
    named = " and ".join(f"row {row}" if row else "a row that is gone" for row in rows)
    changed = any(e["metric"] != found.metric for e in found.earlier)
    since = "the rule was changed" if changed else "the study has grown"
    return f"test results were seen with {named} selected, and {since} since"


def seal(folder: StudyFolder, found: Selection) -> Selection:
    """Write the selection. The same choice from the same predictions keeps the time at which it was sealed first."""
    old = _sealed(folder)
    if old and (old.trials, old.metric, old.validation) == (found.trials, found.metric, found.validation):
        found = found.model_copy(update={"sealed": old.sealed, "earlier": old.earlier})
    elif old:
        found = found.model_copy(update={"earlier": (*old.earlier, old.model_dump(exclude={"earlier"}))})
    if found != old:
        write_json(folder.selection, found.model_dump(mode="json"))
    return found


def _opener(workspace: Workspace, record: Record, split: str) -> Opener:
    """What reads one trial after the other: all predictions at once would fill the memory."""
    labels = {
        level: splits.read(workspace.images(record.inputs.images), key)[1][split]
        for level, key in record.inputs.splits.items()
    }

    def opened(trial: Trial, found: Result) -> tuple[np.ndarray, Predictions]:
        path = workspace.training(record.training_key(trial)).predictions(split, trial.step)
        return labels[trial.condition.split], Predictions.read(path, found.predictions[split])

    return opened


def _tested(workspace: Workspace, record: Record, results: Mapping[Trial, Result]) -> dict[Trial, float]:
    opened = _opener(workspace, record, "test")
    found = {trial: opened(trial, result) for trial, result in results.items()}
    return {t: evaluation.scores(y, p.classes, p.losses)[record.grid.metric] for t, (y, p) in found.items()}


def validation(workspace: Workspace, record: Record) -> Opener:
    """What opens validation predictions: they are no secret."""
    return _opener(workspace, record, "val")


def unseal(workspace: Workspace, record: Record, sealed: Selection) -> Opener:
    """What opens test predictions. Takes a selection: without one, nothing is opened."""
    assert sealed.sealed, "a selection is written before test predictions are opened"
    return _opener(workspace, record, "test")
