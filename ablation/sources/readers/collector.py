"""Collection of runs while a source is read: columns of fields, and courses of metrics."""

from array import array
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from ablation.errors import AblateError
from ablation.sources.readers.documents import is_number
from ablation.sources.runs import METRIC, RUN_COLUMN, STEP, VALUE, flat

FIELDS = 20_000  # of all runs of a source
STEPS = ("step", "global_step", "training_iteration", "iteration", "iter", "epoch", "round")  # columns that count

Curve = tuple[list[float], list[float]]  # steps, values


def step_name(names: Iterable[str], order: Sequence[str] = STEPS) -> str | None:
    """Return the name that counts the lines of a course; None where the lines are no course."""
    lower = {name.lower().lstrip("_"): name for name in reversed(list(names))}
    return next((lower[name] for name in order if name in lower), None)


def course(lines: Iterable[Mapping[str, object]], order: Sequence[str] = STEPS) -> dict[str, Curve]:
    """Return the curve of each number in the lines of a course. A line without its step takes its position.

    Args:
        lines: mappings, nested ones too; what is no number is left out.
        order: names of the step, the preferred one first.
    """
    curves: dict[str, Curve] = {}
    for position, line in enumerate(lines):
        numbers = {name: value for name, value in flat(line).items() if is_number(value)}
        counter = step_name(numbers, order)
        step = numbers[counter] if counter else position
        for name, value in numbers.items():
            if name.lower().lstrip("_") not in STEPS:
                steps, values = curves.setdefault(name, ([], []))
                steps.append(float(step))  # type: ignore[arg-type]
                values.append(float(value))  # type: ignore[arg-type]
    return curves


class Collector:
    """Runs of a source, added one after another."""

    def __init__(self) -> None:
        self.count = 0
        self.columns: dict[str, list[object]] = {}
        self._runs, self._steps, self._values = array("q"), array("d"), array("d")
        self._metrics: list[str] = []

    def add(self, fields: Mapping[str, object], curves: Mapping[str, Curve] | None = None) -> None:
        """Add a run. Raises AblateError where the runs have too large a number of different fields."""
        if not fields.keys() <= self.columns.keys() and len(self.columns.keys() | fields.keys()) > FIELDS:
            raise AblateError(f"the runs have more than {FIELDS} different fields; a run has one value a field")
        for name, value in fields.items():
            column = self.columns.setdefault(name, [])
            column.extend([None] * (self.count - len(column)))
            column.append(value)
        for metric, (steps, values) in (curves or {}).items():
            self.add_curve(self.count, metric, steps, values)
        self.count += 1

    def add_curve(self, run: int, metric: str, steps: Sequence[float], values: Sequence[float]) -> None:
        """Add the points of a metric to the run at a position."""
        self._runs.extend([run] * len(values))
        self._metrics.extend([metric] * len(values))
        self._steps.extend(steps)
        self._values.extend(values)

    def unroll(self, names: Iterable[str]) -> None:
        """Make curves of columns that hold tuples of numbers, or a single number, which becomes step 0."""
        for name in names:
            for run, value in enumerate(self.columns.pop(name, [])):
                values = [v for v in (value if isinstance(value, tuple) else (value,)) if is_number(v)]
                self.add_curve(run, name, range(len(values)), values)

    def frame(self) -> pd.DataFrame:
        """Return a line for each run. A metric that has a curve in any run has no column."""
        self.unroll([name for name in dict.fromkeys(self._metrics) if name in self.columns])
        columns = {name: column + [None] * (self.count - len(column)) for name, column in self.columns.items()}
        return pd.DataFrame({name: series(c) for name, c in columns.items()}, index=pd.RangeIndex(self.count))

    def curves(self) -> pd.DataFrame | None:
        """Return the points of all curves, or None."""
        if not self._metrics:
            return None
        steps = np.frombuffer(self._steps, dtype=float)
        is_whole = bool(np.all(np.isfinite(steps) & (np.abs(steps) < 2**53)) and np.all(steps == np.floor(steps)))
        points = {
            RUN_COLUMN: np.frombuffer(self._runs, dtype=np.int64).copy(),
            METRIC: pd.Series(self._metrics, dtype=object),
            STEP: steps.astype(np.int64) if is_whole else steps.copy(),
            VALUE: np.frombuffer(self._values, dtype=float).copy(),
        }
        return pd.DataFrame(points).sort_values(RUN_COLUMN, kind="stable", ignore_index=True)


def series(values: list[object]) -> pd.Series:
    """Return a column of one type where all values have it; otherwise of objects, with None where missing."""
    types = {type(value) for value in values}
    if types == {bool}:
        return pd.Series(values, dtype=bool)
    if types == {int} and all(-(2**63) <= value < 2**63 for value in values):  # type: ignore[operator]
        return pd.Series(values, dtype="int64")
    if float in types and types <= {float, type(None)}:
        return pd.Series(values, dtype=float)
    return pd.Series(values, dtype=object)
