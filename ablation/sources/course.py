"""Values of metrics that have a course: the last one, or those at the best step."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from ablation.errors import AblateError
from ablation.sources.cells import is_missing, reads_as_number
from ablation.sources.runs import CURVES, METRIC, RUN_COLUMN, STEP, VALUE, Runs


def from_long(runs: Runs, metric: str, value: str, step: str, where: str) -> Runs:
    """Return runs from lines of (settings of a run, metric, step, value): lines with equal other fields are one run.

    Args:
        runs: the lines.
        metric, value, step: names of the columns; `step` may be "" where a metric has one value.
        where: beginning of an error message.
    """
    for column in (metric, value, *([step] if step else [])):
        if column not in runs.frame:
            raise AblateError(f"{where}: no column {column!r}; columns: {', '.join(map(str, runs.frame.columns))}")
    _need_numbers(runs, value, where)
    others = [name for name in runs.frame.columns if name not in (metric, value, step)]
    return _with_curves(runs, others, {metric: metric, value: value, step: step})


def _with_curves(runs: Runs, others: list[str], names: dict[str, str]) -> Runs:
    """Return one run for each combination of the other fields, with the lines as curves."""
    metric, value, step = names
    frame = runs.frame
    position = frame.groupby(others, sort=False, dropna=False).ngroup() if others else pd.Series(0, frame.index)
    lines = pd.DataFrame(
        {
            RUN_COLUMN: position,
            METRIC: frame[metric].astype(str),
            STEP: frame[step] if step else 0,
            VALUE: frame[value].astype(float),
        }
    )
    if not step and lines.duplicated([RUN_COLUMN, METRIC]).any():
        raise AblateError(
            f"{runs.address}: a run has two values of one metric; name the column that counts its steps (step = ...)"
        )
    first = frame.loc[~position.duplicated(), others].reset_index(drop=True)
    return replace(runs, frame=first, curves=lines[list(CURVES)])


def from_lists(runs: Runs, metrics: Sequence[str]) -> Runs:
    """Return the runs with a curve in place of each column of `metrics` whose cells are lists of numbers, by epoch."""
    lists = [name for name in dict.fromkeys(metrics) if name in runs.frame and _has_lists(runs.frame[name])]
    if not lists:
        return runs
    lines = [
        (run, name, step, float(value))
        for name in lists for run, cell in enumerate(runs.frame[name]) if not is_missing(cell)
        for step, value in enumerate(cell if isinstance(cell, tuple) else (cell,)) if reads_as_number(value)
    ]  # fmt: skip
    curves = [*([] if runs.curves is None else [runs.curves]), pd.DataFrame(lines, columns=list(CURVES))]
    return replace(runs, frame=runs.frame.drop(columns=lists), curves=pd.concat(curves, ignore_index=True))


def _has_lists(column: pd.Series) -> bool:
    cells = [cell for cell in column if not is_missing(cell)] if column.dtype == object else []
    return any(isinstance(cell, tuple) and len(cell) for cell in cells) and all(
        reads_as_number(value) for cell in cells for value in (cell if isinstance(cell, tuple) else (cell,))
    )


def from_steps(runs: Runs, step: str, key: Sequence[str], metrics: Sequence[str], where: str) -> Runs:
    """Return runs from lines that are steps: lines with equal fields of `key` are one run.

    The columns of `metrics` become curves, if they are numbers. Of other columns, the last value is kept.
    """
    _need_numbers(runs, step, where)
    frame = runs.frame.sort_values(step, kind="stable")
    position = frame.groupby(list(key), sort=False, dropna=False).ngroup() if key else pd.Series(0, frame.index)
    if pd.DataFrame({"run": position, "step": frame[step]}).duplicated().any():
        raise AblateError(
            f"{where}: a run has two lines of one {step}; name the factor or seed that distinguishes them"
        )
    courses = [c for c in frame.columns if c in metrics and c not in key and frame[c].dtype.kind in "if"]
    lines = [
        pd.DataFrame({RUN_COLUMN: position, METRIC: name, STEP: frame[step], VALUE: frame[name].astype(float)})
        for name in courses
    ]
    curves = pd.concat(lines, ignore_index=True).dropna(subset=[VALUE]) if lines else None
    others = [c for c in frame.columns if c not in (*courses, step)]
    last_values = frame[others].groupby(position).last().reset_index(drop=True)
    return replace(runs, frame=last_values, curves=curves)


def _need_numbers(runs: Runs, name: str, where: str) -> None:
    """Raise AblateError where a column has a cell that is no number."""
    if runs.frame[name].dtype.kind in "iuf":
        return
    wrong = [(n, c) for n, c in enumerate(runs.frame[name], start=1) if not is_missing(c) and not reads_as_number(c)]
    if wrong:
        (line, cell), more = wrong[0], f" ({len(wrong)} such cells)" if wrong[1:] else ""
        raise AblateError(f"{where}: column {name!r}: {str(cell)[:60]!r} in line {line} is no number{more}")


def last(curves: pd.DataFrame, metric: str) -> pd.Series:
    """Return the value of a metric at its last step, by run: nan where the metric ended so, as in a divergence."""
    lines = curves[curves[METRIC] == metric].sort_values(STEP, kind="stable")
    return lines.groupby(RUN_COLUMN).tail(1).set_index(RUN_COLUMN)[VALUE]


def thinned(curves: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most so many evenly spaced steps of each run and metric, and its last one."""
    ordered = curves.sort_values([RUN_COLUMN, METRIC, STEP], kind="stable")
    groups = ordered.groupby([RUN_COLUMN, METRIC], sort=False)[STEP]
    place, size = groups.cumcount(), groups.transform("size")
    is_kept = (size <= most) | (place == size - 1) | (place * most // size != (place - 1) * most // size)
    return ordered[is_kept]


def best_steps(curves: pd.DataFrame, metric: str, lowest: bool) -> pd.Series:
    """Return the first step with the best value of a metric, by run."""
    lines = curves[(curves[METRIC] == metric) & curves[VALUE].notna()].sort_values(STEP, kind="stable")
    by_run = lines.groupby(RUN_COLUMN)[VALUE]
    places = by_run.idxmin() if lowest else by_run.idxmax()
    return lines.loc[places].set_index(RUN_COLUMN)[STEP]


def at(curves: pd.DataFrame, metric: str, steps: pd.Series) -> pd.Series:
    """Return the value of a metric at one step of each run; a run without a value there is missing."""
    lines = curves[(curves[METRIC] == metric) & curves[VALUE].notna()]
    chosen = lines[lines[STEP] == lines[RUN_COLUMN].map(steps)]
    return chosen.groupby(RUN_COLUMN)[VALUE].last()
