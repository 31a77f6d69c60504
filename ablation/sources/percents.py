"""Percentages without a sign: shares that a source states from 0 to 100 become fractions, decided by column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from ablation.errors import AblateError
from ablation.measures import names as measures
from ablation.nearest import nearest
from ablation.sources.metrics import Metric
from ablation.sources.runs import METRIC, VALUE, Runs

NEARLY = 1.5  # a word error rate may exceed 1; fractions of other shares that do are rounded
COUNTED = ("correct", "success", "pass", "error")  # last words of names that may count examples, in whole numbers
SHOWN = 4  # numbers that a note names


@dataclass(frozen=True)
class Percents:
    """Numbers of a study that a source states in percent.

    `stated`: names of such numbers as [import] lists them; None where the values decide. `like`: measure -> measure
    whose meaning a study file gives to it.
    """

    stated: Sequence[str] | None = None
    like: Mapping[str, str] = field(default_factory=dict)

    def of(self, metrics: Sequence[Metric], values: Mapping[str, pd.Series], where: str) -> list[Metric]:
        """Return the metrics whose values are percentages.

        Raises AblateError where a column mixes fractions and percentages, or a stated name is unknown.
        """
        if self.stated is not None:
            return _named(self.stated, metrics, where)
        return [m for m in metrics if self._is_share(m) and _are_percents(m, values[m.number].dropna(), where)]

    def _is_share(self, metric: Metric) -> bool:
        other = self.like.get(metric.name)
        meaning = measures.like(metric.name, other) if other else measures.meaning(metric.name)
        return meaning is not None and meaning.is_share


def _named(stated: Sequence[str], metrics: Sequence[Metric], where: str) -> list[Metric]:
    """Return the metrics with one of these names: of the number, of its field, or of its measure."""
    names = {name for m in metrics for name in (m.name, m.field, m.number)}
    for name in stated:
        if name not in names:
            listed = [m.number for m in metrics]
            raise AblateError(
                f"{where}.percent: no number {name!r}; numbers: {', '.join(listed)}{nearest(name, names)}"
            )
    return [m for m in metrics if {m.name, m.field, m.number} & set(stated)]


def _are_percents(metric: Metric, values: pd.Series, where: str) -> bool:
    """Return whether the values of a share are all percentages; 0 is both."""
    sizes = values[values != 0].abs()
    fractions, percents = sizes[sizes <= 1], sizes[(sizes > NEARLY) & (sizes <= 100)]
    if not len(percents) or sizes.max() > 100 or (values < 0).any():
        return False
    if metric.name.lower().rpartition("_")[2] in COUNTED and (values % 1 == 0).all():
        return False
    if len(fractions):
        cells = ", ".join(f"run {n + 1}: {values[n]:.6g}" for n in (fractions.index[0], percents.index[0]))
        raise AblateError(
            f"{where}.percent: {metric.field} mixes fractions and percentages ({cells}); mend the source, or state "
            f'percent = ["{metric.number}"] where all are percentages, or percent = [] where none is'
        )
    return True


def as_fractions(values: Mapping[str, pd.Series], metrics: Sequence[Metric]) -> dict[str, pd.Series]:
    """Return the values with those of these metrics divided by 100."""
    numbers = {metric.number for metric in metrics}
    return {name: column / 100 if name in numbers else column for name, column in values.items()}


def with_fractions(runs: Runs, metrics: Sequence[Metric]) -> Runs:
    """Return the runs with the curves of these metrics divided by 100."""
    if runs.curves is None or not metrics:
        return runs
    is_percent = runs.curves[METRIC].isin([metric.field for metric in metrics])
    curves = runs.curves.assign(**{VALUE: runs.curves[VALUE].where(~is_percent, runs.curves[VALUE] / 100)})
    return replace(runs, curves=curves)


def sentence(metrics: Sequence[Metric], values: Mapping[str, pd.Series]) -> str:
    """Return what a caption says of percentages; "" where there are none. `values`: as the source states them."""
    if not metrics:
        return ""
    listed = ", ".join(m.field for m in metrics[:SHOWN]) + (", ..." if metrics[SHOWN:] else "")
    shown = next((float(v) for m in metrics for v in values[m.number].dropna() if v), 0.0)
    return f"Read as percentages: {listed} ({shown:.6g} is {shown / 100:.6g})."
