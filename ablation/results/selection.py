"""The declared rule, on validation alone; and the seal: until it is written, no test predictions are opened."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ablation.errors import AblateError
from ablation.grids.grid import NOTHING, Trial
from ablation.grids.record import Record
from ablation.measures.measure import Measure
from ablation.results import aliases
from ablation.results.examples import Opener, opener
from ablation.results.result import Result
from ablation.statistics import stability
from ablation.workspace import StudyFolder, Workspace, read_json, write_json


class Selection(BaseModel):
    """The content of selection.json. Where nothing is selected, it says that test was opened, and when."""

    model_config = ConfigDict(frozen=True)

    rule: str
    metric: str
    row: int | None
    trials: tuple[str, ...]  # the row's: its number moves where rows are inserted
    value: float | None  # mean over the row's seeds
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
    first = math.inf if math.isnan(mean) else mean if _measure(record).lowest else -mean
    return (first, *stability.cost(record, trial.row, result.parameters))


def _measure(record: Record) -> Measure:
    """The measure that selects, where one does."""
    assert record.selected_by is not None
    return record.selected_by


def validated(record: Record, result: Result) -> float:
    """The measure that rows are selected by, of one finished trial on validation. Raises AblateError where the trial
    did not state it."""
    name, scores = _measure(record).name, result.scores.get("val", {})
    if name not in scores:
        known = ", ".join(f"val_{measure}" for measure in scores) or "nothing on validation"
        raise AblateError(
            f"study {record.name!r}: select_on: a finished trial has no val_{name}, and it does not follow from its "
            f"predictions; the trial has {known}"
        )
    return scores[name]


def select(workspace: Workspace, record: Record, results: Mapping[Trial, Result | None]) -> Selection | None:
    """The best row on validation; exact ties go to the fewest parameters, then the fewest updates, then the first row.
    Test predictions are opened here only where the study file says `select_on_test`. Where nothing is to be selected:
    that nothing was, once every trial has ended.

    `results`: of the trials; replicates of the reference play no part. None where none has finished.
    """
    grid = record.grid
    if not grid.selects:
        return _nothing(workspace, record, results)
    rows: dict[int, list[tuple[Trial, Result]]] = {}
    done = {t: r for t, r in results.items() if r and r.done and not grid.is_replicate(t)}
    for trial, result in done.items():
        rows.setdefault(trial.row, []).append((trial, result))
    values = _tested(workspace, record, done) if grid.on_test else {t: validated(record, r) for t, r in done.items()}
    ranks = {row: rank(record, some, [values[t] for t, _ in some]) for row, some in rows.items()}
    if not ranks:
        return None
    measure, best = _measure(record), min(ranks, key=ranks.__getitem__)
    first = _first_ids(workspace, record)
    value = ranks[best][0]
    return Selection(
        rule=f"{'lowest' if measure.lowest else 'highest'} {'test' if grid.on_test else 'validation'} "
        f"{measure.title}{_ties(record, done.values())}",
        metric=grid.select_on,
        row=best,
        trials=_trials(record, best),
        value=None if math.isinf(value) else value if measure.lowest else 0.0 - value,
        validation=_digest(sorted((first(t), _compared(r)) for t, r in done.items())),
        sealed=_now(),
    )


def _ties(record: Record, done: Iterable[Result]) -> str:
    """At which point rows are compared, and what decides between equal ones."""
    updates = any(stability.updates(record, row) for row in range(1, len(record.grid.rows) + 1))
    parameters = any(result.parameters for result in done)
    first = [*(["fewest parameters"] if parameters or updates else []), *(["fewest updates"] if updates else [])]
    ties = ", then ".join([*first, "the first row"])
    return f"{' at the last epoch' if updates else ''} (ties: {ties})"


def _nothing(workspace: Workspace, record: Record, results: Mapping[Trial, Result | None]) -> Selection | None:
    """That nothing is selected; None while a trial has not ended, or none has finished."""
    ended = {trial: result for trial, result in results.items() if result}
    if any(t not in ended for t in record.grid.trials()) or not any(result.done for result in ended.values()):
        return None
    return Selection(
        rule="nothing is selected: test is opened when every trial has ended",
        metric=NOTHING,
        row=None,
        trials=(),
        value=None,
        validation=_digest(sorted(map(_first_ids(workspace, record), ended))),
        sealed=_now(),
    )


def _compared(result: Result) -> object:
    """What a trial was compared by: the digest of its validation predictions, else its numbers."""
    return result.predictions.get("val") or result.scores.get("val", {})


def _digest(compared: object) -> str:
    return hashlib.sha256(json.dumps(compared).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _first_ids(workspace: Workspace, record: Record) -> Callable[[Trial], str]:
    """Return what gives the id that a trial had first: renaming it changes no digest."""
    former = aliases.former(aliases.read(workspace))
    return lambda trial: aliases.current(former, record.trial_key(trial))


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
    if found is None or found.row is None:
        return found
    row = _place(record, found.trials)
    return None if row is None else found.model_copy(update={"row": row})


def _chosen(record: Record, earlier: Mapping[str, Any]) -> str:
    """What an earlier selection chose, in words."""
    if earlier.get("row", 0) is None:
        return "nothing"
    row = _place(record, earlier["trials"])
    return f"row {row}" if row else "a row that is gone"


def before(record: Record, found: Selection) -> str:
    """What was selected earlier, and what has changed since, in words; rows under the numbers that they have now."""
    named = " and ".join(dict.fromkeys(_chosen(record, e) for e in found.earlier))
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


def _tested(workspace: Workspace, record: Record, results: Mapping[Trial, Result]) -> dict[Trial, float]:
    opened, measure = opener(workspace, record, "test"), _measure(record)
    found = {trial: opened(trial, result).score(measure) for trial, result in results.items()}
    if None in found.values():
        raise AblateError(f"study {record.name!r}: select_on: a finished trial has no test_{measure.name}")
    return {trial: value for trial, value in found.items() if value is not None}


def validation(workspace: Workspace, record: Record) -> Opener:
    """What opens validation predictions: they are no secret."""
    return opener(workspace, record, "val")


def unseal(workspace: Workspace, record: Record, sealed: Selection) -> Opener:
    """What opens test predictions. Takes a selection: without one, nothing is opened."""
    assert sealed.sealed, "a selection is written before test predictions are opened"
    return opener(workspace, record, "test")
