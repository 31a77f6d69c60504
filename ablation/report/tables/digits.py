"""Decimals of a column: as many as its intervals need, so that no bound is printed like the other one."""

import math
from collections.abc import Iterator
from dataclasses import replace

from ablation.measures.measure import Measure
from ablation.model.table import Cell, Column, Table
from ablation.statistics.intervals import Interval

MOST = 6  # decimals that are added
ROUNDING = 1e-9  # of the size of a value: less is rounding, not width


def resolved(table: Table) -> Table:
    """Return the table with more decimals in the columns whose intervals, or deviations, would be printed with width 0.

    All numbers of a column have the same decimals. Columns whose widths are visible are not changed.
    """
    columns = tuple(_resolved(table, k) for k in range(len(table.columns)))
    return table if columns == table.columns else replace(table, columns=columns)


def _resolved(table: Table, k: int) -> Column:
    column = table.columns[k]
    if column.kind not in ("percent", "estimate", "change"):
        return column
    decimals = table.decimals if column.decimals is None else column.decimals
    ends = [end for row in table.rows for end in _ends(row[k])]
    needed = max((needs(column.scale * low, column.scale * high, decimals) for low, high in ends), default=decimals)
    return column if needed == decimals else replace(column, decimals=needed)


def _ends(cell: Cell) -> Iterator[tuple[float, float]]:
    """Yield the two numbers that must be printed differently: the bounds of an interval, or 0 and a deviation."""
    value = cell.value
    if isinstance(value, Interval):
        yield value.low, value.high
    elif isinstance(value, tuple) and abs(value[1]) > ROUNDING * abs(value[0]):
        yield 0.0, value[1]


def needs(low: float, high: float, decimals: int) -> int:
    """Return the decimals, at least `decimals`, with which two numbers are printed differently.

    Numbers that are missing, or differ by rounding alone, need no more.
    """
    if not abs(high - low) > ROUNDING * max(abs(low), abs(high)) or not math.isfinite(high - low):
        return decimals
    enough = (d for d in range(decimals, decimals + MOST) if f"{low:.{d}f}" != f"{high:.{d}f}")
    return next(enough, decimals + MOST)


def places(measure: Measure, interval: Interval, decimals: int) -> int:
    """Return the decimals of a number and its interval in a sentence, at least those that the measure has there."""
    return needs(measure.scale * interval.low, measure.scale * interval.high, measure.places(decimals))
