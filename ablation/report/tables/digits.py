"""Decimals of a column: as many as its intervals need, so that no bound is printed like the other one."""

import math
from collections.abc import Iterator
from dataclasses import replace

from ablation.measures.measure import Measure
from ablation.model.table import Cell, Column, Table
from ablation.statistics.intervals import Interval

KINDS = ("percent", "estimate", "change")  # of columns with deviations or intervals
MOST = 4  # decimals that are added
TOO_NARROW = "No brackets where an interval is too narrow to be printed: its runs are equal, or nearly so."


def resolved(table: Table) -> Table:
    """Return the table with more decimals in the columns whose intervals, or deviations, would be printed with width 0.

    All numbers of a column have the same decimals. Columns whose widths are visible are not changed. An interval that
    even MOST more decimals do not show has no brackets, and a note says so.
    """
    columns = tuple(_resolved(table, k) for k in range(len(table.columns)))
    rows = tuple(tuple(map(_shown, columns, row, [table.decimals] * len(row))) for row in table.rows)
    notes = table.notes if rows == table.rows else (*table.notes, TOO_NARROW)
    return replace(table, columns=columns, rows=rows, notes=notes)


def _shown(column: Column, cell: Cell, decimals: int) -> Cell:
    """Return a cell without bounds, where both would be printed alike."""
    value, places = cell.value, decimals if column.decimals is None else column.decimals
    if not isinstance(value, Interval) or value.low != value.low or column.kind not in KINDS:
        return cell
    is_visible = _differ(column.scale * value.low, column.scale * value.high, places)
    return cell if is_visible else replace(cell, value=Interval(value.value, math.nan, math.nan))


def _resolved(table: Table, k: int) -> Column:
    column = table.columns[k]
    if column.kind not in KINDS:
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
    elif isinstance(value, tuple):
        yield 0.0, value[1]


def needs(low: float, high: float, decimals: int) -> int:
    """Return the decimals, at least `decimals`, with which two numbers are printed differently.

    Numbers that are missing, or that even MOST more decimals do not distinguish, need no more.
    """
    if not math.isfinite(high - low):
        return decimals
    return next((d for d in range(decimals, decimals + MOST + 1) if _differ(low, high, d)), decimals)


def _differ(low: float, high: float, decimals: int) -> bool:
    return float(f"{low:.{decimals}f}") != float(f"{high:.{decimals}f}")  # -0.0 is printed as 0.0


def places(measure: Measure, interval: Interval, decimals: int) -> int:
    """Return the decimals of a number and its interval in a sentence, at least those that the measure has there."""
    return needs(measure.scale * interval.low, measure.scale * interval.high, measure.places(decimals))
