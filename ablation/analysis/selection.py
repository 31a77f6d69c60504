"""Selection of a row by the declared rule, and its seal: no test predictions are opened before the seal is written."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ablation.analysis import selection_bootstrap
from ablation.analysis.eligibility import NOTHING_COMMON, not_eligible
from ablation.errors import AblateError, BrokenFile
from ablation.measures.measure import Measure
from ablation.store import aliases
from ablation.store.examples import Opener, opener
from ablation.store.files import read_json, write_json
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.store.workspace import StudyFolder, Workspace
from ablation.study.grid import NOTHING, Trial

NOT_SEALED = "Imported: not sealed; test numbers were known."
NO_RULE = "nothing is selected: test is opened when every trial has ended"


class Selection(BaseModel):
    """Content of selection.json. Where nothing is selected, the file records that test was opened, and when."""

    model_config = ConfigDict(frozen=True)

    rule: str
    metric: str
    row: int | None
    trials: tuple[str, ...]  # ids of the row's trials: the row's number changes when rows are inserted
    value: float | None  # mean over the row's seeds
    validation: str  # digest of the validation predictions that were compared
    sealed: str  # when, UTC
    earlier: tuple[dict[str, Any], ...] = ()  # earlier selections of the same study, replaced by this one

    @property
    def on_test(self) -> bool:
        """True where test scores select the row."""
        return self.metric.startswith("test_")


Rank = tuple[float, int, int, int]  # the smallest rank is the best


def rank(record: Record, done: Sequence[tuple[Trial, Result]], values: Iterable[float]) -> Rank:
    """Return the rank of one row: the mean of `values` over seeds first, then the row's cost.

    Args:
        done: finished trials of the row, with their results.
        values: value of the selecting measure for each of these trials.
    """
    trial, result = done[0]
    mean = round(fmean(values), 12)  # rounded, so that equal counts give equal means in any order of summation
    first = math.inf if math.isnan(mean) else mean if _measure(record).lowest else -mean
    return (first, *selection_bootstrap.cost(record, trial.row, result.parameters))


def _measure(record: Record) -> Measure:
    """Return the measure that selects; the study must have one."""
    assert record.selected_by is not None
    return record.selected_by


def validated(record: Record, result: Result) -> float:
    """Return the validation score of one finished trial by the measure that selects rows. Raise AblateError where the
    trial has no such score."""
    name, scores = _measure(record).name, result.scores.get("val", {})
    if name not in scores:
        available = ", ".join(f"val_{measure}" for measure in scores) or "no measure on validation"
        raise AblateError(
            f"study {record.name!r}: select_on: a finished trial has no val_{name}, which also "
            f"cannot be computed from its predictions; the trial has {available}"
        )
    return scores[name]


def select(workspace: Workspace, record: Record, results: Mapping[Trial, Result | None]) -> Selection | None:
    """Return the selection of the best row on validation; None where no trial has finished.

    Rows that are not eligible are left out: see `eligibility.not_eligible`. Exact ties go to the fewest parameters,
    then the fewest updates, then the first row. Test predictions are opened here only where the study file sets
    `select_on_test`. Where the study selects nothing, return a selection without a row once every trial has ended.

    Args:
        results: trial -> its result. Replicates of the reference are ignored.
    """
    grid = record.grid
    if not grid.selects:
        return _nothing(workspace, record, results)
    rows: dict[int, list[tuple[Trial, Result]]] = {}
    done = {t: r for t, r in results.items() if r and r.done and not grid.is_replicate(t)}
    for trial, result in done.items():
        rows.setdefault(trial.row, []).append((trial, result))
    values = _tested(workspace, record, done) if grid.on_test else {t: validated(record, r) for t, r in done.items()}
    excluded = not_eligible(record, {row: len(trials) for row, trials in rows.items()})
    ranks = {
        row: rank(record, trials, [values[t] for t, _ in trials]) for row, trials in rows.items() if row not in excluded
    }
    if not ranks:
        return _nothing(workspace, record, results, NOTHING_COMMON) if rows else None
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
    """Return the part of the rule that names the epoch at which rows are compared, and the order of tie-breakers."""
    updates = any(selection_bootstrap.updates(record, row) for row in range(1, len(record.grid.rows) + 1))
    parameters = any(result.parameters for result in done)
    first = [*(["fewest parameters"] if parameters or updates else []), *(["fewest updates"] if updates else [])]
    ties = ", then ".join([*first, "the first row"])
    return f"{' at the last epoch' if updates else ''} (ties: {ties})"


def _nothing(
    workspace: Workspace, record: Record, results: Mapping[Trial, Result | None], reason: str = ""
) -> Selection | None:
    """Return a selection without a row; None while a trial has not ended, or where no trial has finished."""
    ended = {trial: result for trial, result in results.items() if result}
    if any(t not in ended for t in record.grid.trials()) or not any(result.done for result in ended.values()):
        return None
    return Selection(
        rule=reason or getattr(record.experiment, "selects_nothing", NO_RULE),
        metric=NOTHING,
        row=None,
        trials=(),
        value=None,
        validation=_digest(sorted(map(_first_ids(workspace, record), ended))),
        sealed=_now(),
    )


def _compared(result: Result) -> object:
    """Return the basis of a trial's comparison: the digest of its validation predictions, otherwise its validation
    scores."""
    return result.predictions.get("val") or result.scores.get("val", {})


def _digest(compared: object) -> str:
    return hashlib.sha256(json.dumps(compared).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _first_ids(workspace: Workspace, record: Record) -> Callable[[Trial], str]:
    """Return a function from a trial to its first id. Digests use first ids, so that renaming a trial changes no
    digest."""
    former = aliases.former(aliases.read(workspace))
    return lambda trial: aliases.current(former, record.trial_key(trial))


def _trials(record: Record, row: int) -> tuple[str, ...]:
    return tuple(sorted(record.trial_key(t) for t in record.grid.seeded(row)))


def _place(record: Record, trials: Iterable[str]) -> int | None:
    """Return the number of the first row that has one of these trial ids; None where no row has one."""
    rows, wanted = range(1, len(record.grid.rows) + 1), set(trials)
    return next((r for r in rows if not wanted.isdisjoint(_trials(record, r))), None)


def _sealed(folder: StudyFolder) -> Selection | None:
    content = read_json(folder.selection)
    try:
        return _renamed(folder, Selection.model_validate(content)) if content else None
    except ValidationError:
        raise BrokenFile(folder.selection, "this version cannot read it") from None


def _renamed(folder: StudyFolder, stored: Selection) -> Selection:
    """Return the selection with the current ids of its trials."""
    new_ids = aliases.read(Workspace(folder.path.parent))
    if not new_ids:
        return stored
    earlier = tuple({**selection, "trials": _current(new_ids, selection["trials"])} for selection in stored.earlier)
    return stored.model_copy(update={"trials": _current(new_ids, stored.trials), "earlier": earlier})


def _current(new_ids: Mapping[str, str], trials: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(aliases.current(new_ids, trial) for trial in trials))


def read(workspace: Workspace, record: Record) -> Selection | None:
    """Return the stored selection, with the current number of its row. Return None where no selection is stored, or
    where the selected row no longer exists. Raise BrokenFile where the file is broken."""
    stored = _sealed(workspace.study(record.name))
    if stored is None or stored.row is None:
        return stored
    row = _place(record, stored.trials)
    return None if row is None else stored.model_copy(update={"row": row})


def _chosen(record: Record, earlier: Mapping[str, Any]) -> str:
    """Return the choice of an earlier selection, in words."""
    if earlier.get("row", 0) is None:
        return "nothing"
    row = _place(record, earlier["trials"])
    return f"row {row}" if row else "a row that is gone"


def before(record: Record, current: Selection) -> str:
    """Return, in words, the earlier choices and the change since then. Rows have their current numbers."""
    chosen = " and ".join(dict.fromkeys(_chosen(record, e) for e in current.earlier))
    changed = any(e["metric"] != current.metric for e in current.earlier)
    since = "the rule was changed" if changed else "the study's trials have changed"
    return f"test results were seen with {chosen} selected, and {since} since"


def seal(folder: StudyFolder, new: Selection) -> Selection:
    """Write the selection and return it. The same choice from the same predictions keeps the time of its first seal."""
    old = _sealed(folder)
    if old and (old.trials, old.metric, old.validation) == (new.trials, new.metric, new.validation):
        new = new.model_copy(update={"sealed": old.sealed, "earlier": old.earlier})
    elif old:
        new = new.model_copy(update={"earlier": (*old.earlier, old.model_dump(exclude={"earlier"}))})
    if new != old:
        write_json(folder.selection, new.model_dump(mode="json"))
    return new


def select_and_seal(workspace: Workspace, record: Record, results: Mapping[Trial, Result | None]) -> Selection | None:
    """Select a row as `select` does, write the selection and return it; None where there is none yet."""
    selected = select(workspace, record, results)
    return seal(workspace.study(record.name), selected) if selected else None


def _tested(workspace: Workspace, record: Record, results: Mapping[Trial, Result]) -> dict[Trial, float]:
    """Return the test score of each trial by the selecting measure. Raise AblateError where a trial has none."""
    open_test, measure = opener(workspace, record, "test"), _measure(record)
    scores = {trial: open_test(trial, result).score(measure) for trial, result in results.items()}
    if None in scores.values():
        raise AblateError(f"study {record.name!r}: select_on: a finished trial has no test_{measure.name}")
    return {trial: value for trial, value in scores.items() if value is not None}


def validation(workspace: Workspace, record: Record) -> Opener:
    """Return the opener of validation predictions, which need no seal."""
    return opener(workspace, record, "val")


def unseal(workspace: Workspace, record: Record, sealed: Selection) -> Opener:
    """Return the opener of test predictions. The parameter `sealed` makes sure that a selection exists before test is
    opened."""
    assert sealed.sealed, "a selection is written before test predictions are opened"
    return opener(workspace, record, "test")
