"""Trials of a study from the runs that it keeps: their numbers, outcomes, times and courses."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd

from ablation.sources import course
from ablation.sources.cells import is_equal, is_missing
from ablation.sources.metrics import Metric
from ablation.sources.per_example import Columns
from ablation.sources.rows import Replicate
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
from ablation.study.import_keys import ImportKeys

NO_RESULT = "no result in the source"
MOST_STEPS = 200  # of a course that is kept


@dataclass(frozen=True)
class ImportedTrial:
    """One run of a source as a trial of a study.

    `row`: from 1. `numbers`: number -> value, such as val_accuracy. `history`: one mapping for each step of a course.
    `started`, `seconds`: 0 where unknown. `columns`: columns of the test examples; {} where the source has none.
    """

    row: int
    seed: int
    status: str
    reason: str
    numbers: Mapping[str, float]
    costs: Mapping[str, float] = field(default_factory=dict)
    history: tuple[dict[str, float], ...] = ()
    started: float = 0.0
    seconds: float = 0.0
    columns: Columns = field(default_factory=dict)


def of_runs(
    runs: Runs, chosen: Sequence[Replicate], values: Mapping[str, pd.Series], keys: ImportKeys,
    stated: Sequence[Metric], examples: Mapping[int, Columns] | None = None,
) -> tuple[ImportedTrial, ...]:  # fmt: skip
    """Return the trials of the chosen runs, by row and seed.

    Args:
        runs: runs of the source.
        chosen: the runs that the study keeps.
        values: number or cost -> value by run.
        keys: keys of [import].
        stated: the study's numbers.
        examples: run -> columns of its examples; None where the source has none.
    """
    numbers = {t.number for t in stated}
    histories, examples = _histories(runs, stated), examples or {}
    trials = []
    for replicate in sorted(chosen, key=lambda c: (c.row, c.seed)):
        run = replicate.run
        measured = {name: float(column[run]) for name, column in values.items() if column[run] == column[run]}
        status, reason = _outcome(runs, run, run in examples or bool(numbers & measured.keys()), keys)
        trials.append(
            ImportedTrial(
                replicate.row + 1, replicate.seed, status, reason,
                {name: value for name, value in measured.items() if name in numbers},
                {name: value for name, value in measured.items() if name not in numbers},
                histories.get(run, ()), _time(runs, STARTED, run), _time(runs, DURATION, run),
                examples.get(run, {}),
            )
        )  # fmt: skip
    return tuple(trials)


def _outcome(runs: Runs, run: int, has_numbers: bool, keys: ImportKeys) -> tuple[str, str]:
    """Return the status of a run and the reason of a failure."""
    line = runs.frame.iloc[run]
    for name, stated in keys.failed.items():
        if name in runs.frame and is_equal(line[name], stated):
            return FAILED, f"{name} is {stated}"
    status = line[STATUS] if STATUS in runs.frame and not is_missing(line[STATUS]) else DONE
    reason = line[REASON] if REASON in runs.frame and not is_missing(line[REASON]) else ""
    if status == DONE and not has_numbers:
        return FAILED, NO_RESULT
    return str(status), str(reason)


def _time(runs: Runs, name: str, run: int) -> float:
    """Return a time in unix seconds, or a number of seconds; 0 where it is unknown."""
    value = runs.frame[name].iloc[run] if name in runs.frame else None
    if isinstance(value, str):  # a time of the calendar, with or without its zone
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(value).timestamp()
    return float(value) if isinstance(value, int | float | np.number) and value == value else 0.0


def _histories(runs: Runs, stated: Sequence[Metric]) -> dict[int, tuple[dict[str, float], ...]]:
    """Return run -> its steps with the study's numbers, at most MOST_STEPS evenly spaced ones."""
    if runs.curves is None:
        return {}
    numbers = {t.field: t.number for t in stated}
    lines = course.thinned(runs.curves[runs.curves[METRIC].isin(numbers)].dropna(subset=[VALUE]), MOST_STEPS)
    wide = lines.pivot_table(index=[RUN_COLUMN, STEP], columns=METRIC, values=VALUE, aggfunc="last", sort=True)
    steps: dict[int, list[dict[str, float]]] = {}
    for line in wide.rename(columns=numbers).reset_index(names=[RUN_COLUMN, "epoch"]).to_dict("records"):
        run = int(line.pop(RUN_COLUMN))
        steps.setdefault(run, []).append({str(name): float(v) for name, v in line.items() if v == v})
    return {run: tuple(of_run) for run, of_run in steps.items() if len(of_run) > 1}
