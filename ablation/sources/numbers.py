"""Values of a study's numbers by run: the cell of a column, or a value of a course."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ablation.errors import AblateError
from ablation.sources import course, fields
from ablation.sources.cells import is_missing, is_summary, reads_as_number
from ablation.sources.fields import resolved
from ablation.sources.metrics import Metric
from ablation.sources.runs import STATUS, Runs


def with_alternatives(runs: Runs, stated: Sequence[Metric], where: str) -> tuple[Runs, list[Metric]]:
    """Return the runs, and the numbers with the full names of their fields.

    A number with alternatives ("metrics.f1|qa_metrics.f1") gets a column of its own: the first field with a value.
    """
    located = []
    for metric in stated:
        place = f"{where}.metrics.{metric.number}"
        names = [resolved(runs, name.strip(), place) for name in metric.field.split("|")]
        if names[1:]:
            if any(name not in runs.frame for name in names):
                raise AblateError(f"{place}: a metric with a course has no alternatives; name one field")
            first = runs.frame[names].apply(lambda line: next((c for c in line if not is_missing(c)), None), axis=1)
            runs = replace(runs, frame=runs.frame.assign(**{metric.field: first}))
        located.append(replace(metric, field=metric.field if names[1:] else names[0]))
    return runs, located


def by_run(
    runs: Runs, stated: Sequence[Metric], costs: Mapping[str, str], best: tuple[str, bool] | None, where: str
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


def _steps(runs: Runs, stated: Sequence[Metric], best: tuple[str, bool], where: str) -> pd.Series:
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
        wrong = [(n, c) for n, c in enumerate(column, start=1) if not is_missing(c) and not reads_as_number(c)]
        if wrong and all(is_summary(cell) for _, cell in wrong):
            raise AblateError(
                f"{where}: {name} has summaries of runs ({wrong[0][1]!r}), and a table needs the runs themselves"
            )
        if wrong:
            shown = ", ".join(f"run {n}: {str(cell)[:40]!r}" for n, cell in wrong[:3])
            more = f" and {len(wrong) - 3} more" if wrong[3:] else ""
            of_all = f"{len(wrong)} of {len(column)} values are" if len(wrong) > 1 else "a value is"
            raise AblateError(
                f"{where}: {name}: {of_all} no number ({shown}{more}); mend or empty the cell, leave such runs out "
                "with where, or name another field"
            )
        column = pd.Series([np.nan if is_missing(cell) else float(cell) for cell in column])
    return column.astype(float).where(np.isfinite(column.astype(float)))


def with_any(
    runs: Runs, values: Mapping[str, pd.Series], stated: Sequence[Metric]
) -> tuple[Runs, dict[str, pd.Series], str]:
    """Return the runs without those that only have other results than the study's numbers, and a note on them.

    A run without any result stays: it failed. Where the source states how runs ended, all stay.
    """
    if not stated:  # the numbers are in files of examples
        return runs, dict(values), ""
    numbers = {t.number for t in stated}
    has_number = pd.concat([values[number].notna() for number in numbers], axis=1).any(axis=1)
    names = [str(name) for name in runs.frame.columns]
    others = [name for name in names if fields.is_result(runs, name) and name not in {t.field for t in stated}]
    if STATUS in runs.frame or has_number.all() or not others:
        return runs, dict(values), ""
    kept = has_number | runs.frame[others].isna().all(axis=1)
    if kept.all() or not kept.any():
        return runs, dict(values), ""
    note = f"{int((~kept).sum())} runs have none of these numbers, but others ({', '.join(others[:3])}): left out."
    return fields.only(runs, kept), {name: v[kept].reset_index(drop=True) for name, v in values.items()}, note


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
