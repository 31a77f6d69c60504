"""Text of a cell: a value and its bracket or deviation, before a format escapes them."""
# ruff: noqa: RUF001 (the tables contain these signs)

import math
import re
from collections.abc import Callable, Mapping
from itertools import groupby

from ablation.model.table import STARS, Cell, Column, Table
from ablation.report.tables.escape import cut, one_line
from ablation.report.tables.table import as_percent
from ablation.statistics.intervals import Interval
from ablation.study.levels import short

LONGEST = 60  # characters of a text in a cell
MINUS = "−"
MARKS = {"reference": "°", "selected": "★", "second": "◇", "alike": "∼", "equivalent": "=", "gap": "†", "noise": "‡"}
NUMBERS = ("percent", "estimate", "change", "p", "count", "number", "published")

Parts = tuple[str, str]  # a value, and its bracket or deviation; "" for none


def is_reason(column: Column, cell: Cell) -> bool:
    """Return whether the cell holds the reason for a missing number."""
    return column.kind in NUMBERS and isinstance(cell.value, str)


def is_left(table: Table, k: int) -> bool:
    """Return whether column `k` holds words, which are aligned left. Numbers are aligned right."""
    return table.columns[k].kind in ("row", "text") or (
        table.columns[k].kind == "factor" and all(isinstance(row[k].value, str) for row in table.rows)
    )


def is_double(table: Table, k: int) -> bool:
    """Return whether column `k` has brackets, which some formats print in a separate column."""
    kind = table.columns[k].kind
    return kind in ("estimate", "change") and any(_has_bounds(row[k].value) for row in table.rows)


def groups(table: Table) -> list[tuple[str, list[int]]]:
    """Return (heading, positions) of each run of columns under one heading."""
    numbered = groupby(range(len(table.columns)), key=lambda k: table.columns[k].group)
    return [(group, list(members)) for group, members in numbered]


def _has_bounds(value: object) -> bool:
    return isinstance(value, Interval) and not math.isnan(value.low)


def _plain(value: float, column: Column, decimals: int) -> str:
    return f"{column.scale * value:.{_decimals(column, decimals)}f}"


def _signed(value: float, column: Column, decimals: int) -> str:
    signed = f"{column.scale * value:+.{_decimals(column, decimals)}f}"
    return signed.lstrip("+-") if float(signed) == 0 else signed.replace("-", MINUS)


def _decimals(column: Column, decimals: int) -> int:
    return decimals if column.decimals is None else column.decimals


def p_value(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _stars(p: float) -> str:
    return "*" * sum(p < level for level in STARS)


def _interval(value: Interval, column: Column, decimals: int) -> Parts:
    write = _signed if column.kind == "change" else _plain
    low, high = (write(bound, column, decimals) for bound in (value.low, value.high))
    return write(value.value, column, decimals), f"[{low}, {high}]" if _has_bounds(value) else ""


def parts(column: Column, cell: Cell, decimals: int) -> Parts:
    """Return the unescaped text of a cell that has a value: the value, and its bracket or deviation, "" for none.

    Args:
        column: column of the cell.
        cell: cell with a value.
        decimals: decimals of a column that sets none.
    """
    value = cell.value
    if isinstance(value, Interval):
        return _interval(value, column, decimals)
    if column.kind == "published":
        return as_percent(value), ""
    if column.kind == "percent":
        mean, spread = value if isinstance(value, tuple) else (value, None)
        return _plain(mean, column, decimals), "" if spread is None else f"± {_plain(spread, column, decimals)}"
    if column.kind == "p":
        return p_value(value) + (_stars(value) if column.stars else ""), ""
    if column.kind == "count":
        return f"{value:,}", ""
    if column.kind == "number":
        return f"{value:.3g}", ""
    factor = column.key if column.kind == "factor" else ""
    return cut(one_line(short(factor, value)), LONGEST), ""


def is_empty(column: Column, cell: Cell) -> bool:
    """Return whether the cell has no value. NaN, as for a p that was not tested, is no value."""
    return cell.value is None or (isinstance(cell.value, float) and math.isnan(cell.value))


def noted(note: str, marks: Mapping[str, str], escape: Callable[[object], str]) -> str:
    """Return an escaped note, with symbols in place of their names in braces: "{reference} reference row".

    Args:
        note: note with names of marks in braces.
        marks: name of a mark -> symbol in the format.
        escape: function that escapes a text for the format.
    """
    pieces = re.split(r"\{(\w+)\}", note)
    return "".join(marks.get(p, escape(f"{{{p}}}")) if i % 2 else _escaped(p, escape) for i, p in enumerate(pieces))


def _escaped(text: str, escape: Callable[[object], str]) -> str:
    """Return an escaped text, with a blank at each end that had one."""
    if not text.strip():
        return " " if text else ""
    return (" " if text[0] == " " else "") + escape(text) + (" " if text[-1] == " " else "")
