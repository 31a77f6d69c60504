"""Rows of a study from the runs of a source, as [import] of a study file states their fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ablation.errors import AblateError
from ablation.sources import confounded, course, fields, rows, targets
from ablation.sources.csv_file import is_summary
from ablation.sources.fields import is_missing, resolved
from ablation.sources.runs import (
    DONE,
    DURATION,
    FAILED,
    METRIC,
    REASON,
    RUN_COLUMN,
    STARTED,
    STATUS,
    STEP,
    VALUE,
    Runs,
)
from ablation.sources.targets import Target
from ablation.study.import_keys import ImportKeys, LongKeys

NO_RESULT = "no result in the source"
MOST_STEPS = 1_000  # of a course that is kept
OWN_COLUMNS = (
    "row", "label", "reference", "selected", "outcome", "outcomes", "seed", "seeds", "trial", "trials", "study", "p",
    "p_holm", "p_exact", "n_seeds", "n_train", "n_val", "n_test", "published", "replicate", "equivalent",
)  # fmt: skip
GENERAL = ("name", "type", "value", "id")  # last parts of names that say little alone


@dataclass(frozen=True)
class ImportedTrial:
    """One run of a source as a trial of a study.

    `row`: from 1. `numbers`: number -> value, such as val_accuracy. `history`: one mapping for each step of a course.
    `started`, `seconds`: 0 where unknown.
    """

    row: int
    seed: int
    run: int
    status: str
    reason: str
    numbers: Mapping[str, float]
    costs: Mapping[str, float] = field(default_factory=dict)
    history: tuple[dict[str, float], ...] = ()
    started: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Arranged:
    """Rows and trials that the runs of a source make.

    `rows`: a level for each factor. `is_paired`: whether the source states seeds, which pair the rows. `folds`: whether
    the replicates are folds. `confounded`: setting -> row (from 1) -> its values. `settings`: seed -> its settings,
    numbered, where the runs of a row are repeats of several settings. `targets`: the study's numbers.
    """

    factors: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    trials: tuple[ImportedTrial, ...]
    targets: tuple[Target, ...]
    is_paired: bool
    folds: bool
    confounded: Mapping[str, Mapping[int, tuple[str, ...]]]
    settings: Mapping[int, int]
    notes: tuple[str, ...]
    n_runs: int


def arrange(runs: Runs, keys: ImportKeys, where: str, best: tuple[str, bool] | None = None) -> Arranged:
    """Return the rows and trials of a study.

    Args:
        runs: runs of the source.
        keys: keys of [import].
        where: beginning of an error message, such as the study file and "import".
        best: number by whose best step values are taken, and whether the lowest is the best; None for the last values.

    Raises:
        AblateError: a field is missing, of mixed types, or several runs are one row and seed.
    """
    runs = _prepared(runs, keys, where)
    factors = {name: resolved(runs, f, f"{where}.factors") for name, f in named(keys.factors).items()}
    seed = resolved(runs, keys.seed or keys.fold, f"{where}.{'seed' if keys.seed else 'fold'}") if (
        keys.seed or keys.fold) else ""  # fmt: skip
    if keys.step:
        step = resolved(runs, keys.step, f"{where}.step")
        runs = course.from_steps(runs, step, [*factors.values(), *([seed] if seed else [])], f"{where}.step")
    stated, notes = targets.of_metrics(keys.metrics, f"{where}.metrics")
    _refuse_own(factors, stated, where)
    stated = [replace(t, field=resolved(runs, t.field, f"{where}.metrics.{t.number}")) for t in stated]
    costs = {name: resolved(runs, f, f"{where}.costs") for name, f in named(keys.costs).items()}
    values = _values(runs, stated, costs, best, where)
    combinations, places = rows.of_levels(rows.levels(runs, factors, f"{where}.factors"))
    seeds, note = rows.seeds(runs.frame[seed], f"{where}.{keys.seed or keys.fold}") if seed else (None, "")
    chosen, remarks = rows.replicates(
        runs, places, seeds, [*factors.values(), *([seed] if seed else [])],
        {"duplicates": keys.duplicates, "where": where},
    )  # fmt: skip
    trials = _trials(runs, chosen, values, keys, stated)
    ignored = [resolved(runs, name, f"{where}.ignore") for name in keys.ignore]
    used = [*factors.values(), seed, *ignored, *(t.field for t in stated), *costs.values()]
    varying = confounded.confounded(runs, fields.settings(runs, used), places, [c.run for c in chosen])
    return Arranged(
        factors=tuple(factors), rows=tuple(combinations), trials=trials, targets=tuple(stated),
        is_paired=bool(seed), folds=bool(keys.fold),
        settings={} if seed else confounded.clusters(runs, list(varying), chosen),
        confounded={name: {row + 1: v for row, v in of_rows.items()} for name, of_rows in varying.items()},
        notes=tuple(filter(None, [*runs.notes, *notes, note, *remarks])), n_runs=len(runs.frame),
    )  # fmt: skip


def named(stated: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """Return new name -> field. A field alone is named by its last part, by more parts where names would be equal."""
    if isinstance(stated, Mapping):
        return dict(stated)
    for n_parts in (1, 2, 99):
        names = {field: _ending(field, n_parts) for field in stated}
        if len(set(names.values())) == len(names):
            break
    return {name: field for field, name in names.items()} if stated else {}


def _ending(field: str, n_parts: int) -> str:
    """Return the last parts of a dotted name as a word; "name" alone is no name of a factor."""
    parts = field.split(".")
    n_parts += parts[-1] in GENERAL
    word = "_".join(parts[-n_parts:])
    return "".join(letter if letter.isalnum() else "_" for letter in word).strip("_") or "factor"


def _refuse_own(factors: Mapping[str, str], stated: Sequence[Target], where: str) -> None:
    """Raise AblateError for a factor with the name of another column of the table."""
    numbers = tuple(f"{split}_{target.name}" for target in stated for split in ("train", "val", "test"))
    for name in factors:
        if name in OWN_COLUMNS or name.startswith(("delta_", "published_", *numbers)):
            raise AblateError(
                f"{where}.factors.{name}: is the name of a column of the table; name the factor otherwise, such as "
                f"factors = {{ my_{name} = {factors[name]!r} }}"
            )


def _prepared(runs: Runs, keys: ImportKeys, where: str) -> Runs:
    """Return the runs with the fields of a pattern, without those that the filter leaves out, as runs of long lines."""
    runs = fields.with_pattern(runs, keys.pattern, f"{where}.pattern")
    runs = fields.filtered(runs, keys.where, f"{where}.where")
    if keys.long:
        long = keys.long if isinstance(keys.long, LongKeys) else LongKeys()
        runs = course.from_long(runs, long.metric, long.value, keys.step, f"{where}.long")
    return runs


def _values(
    runs: Runs, stated: Sequence[Target], costs: Mapping[str, str], best: tuple[str, bool] | None, where: str
) -> dict[str, pd.Series]:
    """Return number or cost -> value by run. Raises AblateError where a cell is no number."""
    steps = _steps(runs, stated, best, where) if best else None
    named_fields = {t.number: t.field for t in stated} | dict(costs)
    values = {}
    for number, name in named_fields.items():
        if name in runs.frame:
            values[number] = _numbers(runs, name, f"{where}.metrics.{number}")
            continue
        assert runs.curves is not None
        by_run = course.last(runs.curves, name) if steps is None else course.at(runs.curves, name, steps)
        values[number] = by_run.reindex(runs.frame.index).astype(float)
    return values


def _steps(runs: Runs, stated: Sequence[Target], best: tuple[str, bool], where: str) -> pd.Series:
    """Return the best step of each run by one number."""
    number, lowest = best
    selecting = next((t.field for t in stated if t.number == number), None)
    if selecting is None or runs.curves is None or selecting in runs.frame:
        raise AblateError(f'{where}.take: "best" needs {number or "a number on validation"} with a course of steps')
    return course.best_steps(runs.curves, selecting, lowest)


def _numbers(runs: Runs, name: str, where: str) -> pd.Series:
    """Return a column as numbers; missing and infinite values are nan. Raises AblateError for texts."""
    column = runs.frame[name]
    if column.dtype.kind not in "iufb":
        wrong = [(n, c) for n, c in enumerate(column, start=1) if not is_missing(c) and not isinstance(c, int | float)]
        if wrong and all(is_summary(cell) for _, cell in wrong):
            raise AblateError(
                f"{where}: {name} has summaries of runs ({wrong[0][1]!r}), and a table needs the runs themselves"
            )
        if wrong:
            shown = ", ".join(f"run {n}: {str(cell)[:40]!r}" for n, cell in wrong[:3])
            raise AblateError(f"{where}: {name} has {len(wrong)} values that are no numbers ({shown})")
        column = pd.Series([np.nan if is_missing(cell) else float(cell) for cell in column])
    return column.astype(float).where(np.isfinite(column.astype(float)))


def _trials(
    runs: Runs, chosen: Sequence[rows.Replicate], values: Mapping[str, pd.Series], keys: ImportKeys,
    stated: Sequence[Target],
) -> tuple[ImportedTrial, ...]:  # fmt: skip
    """Return the trials of the chosen runs, by row and seed."""
    numbers = {t.number for t in stated}
    histories = _histories(runs, stated)
    trials = []
    for replicate in sorted(chosen, key=lambda c: (c.row, c.seed)):
        run = replicate.run
        measured = {name: float(column[run]) for name, column in values.items() if column[run] == column[run]}
        status, reason = _outcome(runs, run, bool(numbers & measured.keys()), keys)
        trials.append(
            ImportedTrial(
                replicate.row + 1, replicate.seed, run, status, reason,
                {name: value for name, value in measured.items() if name in numbers},
                {name: value for name, value in measured.items() if name not in numbers},
                histories.get(run, ()), _time(runs, STARTED, run), _time(runs, DURATION, run),
            )
        )  # fmt: skip
    return tuple(trials)


def _outcome(runs: Runs, run: int, has_numbers: bool, keys: ImportKeys) -> tuple[str, str]:
    """Return the status of a run and the reason of a failure."""
    line = runs.frame.iloc[run]
    for name, stated in keys.failed.items():
        if name in runs.frame and fields.is_equal(line[name], stated):
            return FAILED, f"{name} is {stated}"
    status = line[STATUS] if STATUS in runs.frame and not is_missing(line[STATUS]) else DONE
    reason = line[REASON] if REASON in runs.frame and not is_missing(line[REASON]) else ""
    if status == DONE and not has_numbers:
        return FAILED, NO_RESULT
    return str(status), str(reason)


def _time(runs: Runs, name: str, run: int) -> float:
    value = runs.frame[name].iloc[run] if name in runs.frame else None
    return float(value) if isinstance(value, int | float | np.number) and value == value else 0.0


def _histories(runs: Runs, stated: Sequence[Target]) -> dict[int, tuple[dict[str, float], ...]]:
    """Return run -> its steps with the study's numbers, at most MOST_STEPS evenly spaced ones."""
    if runs.curves is None:
        return {}
    numbers = {t.field: t.number for t in stated}
    lines = runs.curves[runs.curves[METRIC].isin(numbers)].dropna(subset=[VALUE])
    histories = {}
    for run in lines[RUN_COLUMN].unique().tolist():
        of_run = lines[lines[RUN_COLUMN] == run]
        wide = of_run.pivot_table(index=STEP, columns=METRIC, values=VALUE, aggfunc="last", sort=True)
        if len(wide) < 2:
            continue
        places = np.unique(np.linspace(0, len(wide) - 1, min(len(wide), MOST_STEPS)).astype(int))
        shown = wide.iloc[places].rename(columns=numbers).reset_index(names="epoch")
        histories[run] = tuple(
            {name: value for name, value in line.items() if value == value}
            for line in shown.astype(float).to_dict("records")
        )
    return histories


def refuse_summaries(runs: Runs) -> None:
    """Raise AblateError where the lines of a source are means of runs, which state no n."""
    pairs = [
        (name, other) for name in runs.frame.columns for other in runs.frame.columns
        if name.endswith(("_mean", ".mean")) and other in (f"{name[:-4]}std", f"{name[:-4]}sd", f"{name[:-4]}stdev")
    ]  # fmt: skip
    if pairs:
        constant = all(runs.frame[name].nunique() <= 1 for pair in pairs for name in pair)
        same = "; its numbers are the same in all lines" if constant and len(runs.frame) > 1 else ""
        raise AblateError(
            f"{runs.address}: has summaries of runs ({pairs[0][0]}, {pairs[0][1]}) and no runs, so no table can be "
            f"computed{same}; import the runs that the means are of"
        )


def of_dataframe(frame: pd.DataFrame) -> Runs:
    """Return the lines of a data frame as runs."""
    return Runs("DataFrame", "frame", frame.reset_index(drop=True))
