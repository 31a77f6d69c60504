"""How a cell reads: a value and what stands behind it, before a format escapes them."""
# ruff: noqa: RUF001 (the signs are what this file is about)

import math
import re
from collections.abc import Callable, Mapping
from itertools import groupby

from ablation.grids.levels import short
from ablation.statistics.comparison import Interval
from ablation.tables.escape import cut, one_line
from ablation.tables.table import Cell, Column, Table, as_percent

LONGEST = 60  # characters of a text in a cell
MINUS = "−"
MARKS = {"reference": "°", "selected": "★", "alike": "=", "gap": "†", "noise": "‡"}
NUMBERS = ("percent", "estimate", "change", "p", "count", "number", "published")

Parts = tuple[str, str]  # a value, and its bracket or deviation; "" for none


def is_reason(column: Column, cell: Cell) -> bool:
    """Whether the cell says why there is no number in it."""
    return column.kind in NUMBERS and isinstance(cell.value, str)


def is_left(table: Table, k: int) -> bool:
    """Whether column `k` holds words, which stand on the left; numbers stand on the right."""
    return table.columns[k].kind in ("row", "text") or (
        table.columns[k].kind == "factor" and all(isinstance(row[k].value, str) for row in table.rows)
    )


def is_double(table: Table, k: int) -> bool:
    """Whether column `k` has brackets, which stand in a column of their own where a format has such."""
    kind = table.columns[k].kind
    return kind in ("estimate", "change") and any(_has_bounds(row[k].value) for row in table.rows)


def groups(table: Table) -> list[tuple[str, list[int]]]:
    """Runs of columns under one heading: (heading, positions)."""
    numbered = groupby(range(len(table.columns)), key=lambda k: table.columns[k].group)
    return [(group, list(members)) for group, members in numbered]


def _has_bounds(value: object) -> bool:
    return isinstance(value, Interval) and not math.isnan(value.low)


def _plain(value: float, column: Column, decimals: int) -> str:
    return f"{column.scale * value:.{_decimals(column, decimals)}f}"


def _signed(value: float, column: Column, decimals: int) -> str:
    drawn = f"{column.scale * value:+.{_decimals(column, decimals)}f}"
    return drawn.lstrip("+-") if float(drawn) == 0 else drawn.replace("-", MINUS)


def _decimals(column: Column, decimals: int) -> int:
    return decimals if column.decimals is None else column.decimals


def p_value(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _interval(value: Interval, column: Column, decimals: int) -> Parts:
    write = _signed if column.kind == "change" else _plain
    low, high = (write(bound, column, decimals) for bound in (value.low, value.high))
    return write(value.value, column, decimals), f"[{low}, {high}]" if _has_bounds(value) else ""


def parts(column: Column, cell: Cell, decimals: int) -> Parts:
    """What stands in a cell that has a value, unescaped."""
    value = cell.value
    if isinstance(value, Interval):
        return _interval(value, column, decimals)
    if column.kind == "published":
        return as_percent(value), ""
    if column.kind == "percent":
        mean, spread = value if isinstance(value, tuple) else (value, None)
        return _plain(mean, column, decimals), "" if spread is None else f"± {_plain(spread, column, decimals)}"
    if column.kind == "p":
        return p_value(value), ""
    if column.kind == "count":
        return f"{value:,}", ""
    if column.kind == "number":
        return f"{value:.3g}", ""
    factor = column.key if column.kind == "factor" else ""
    return cut(one_line(short(factor, value)), LONGEST), ""


def is_empty(column: Column, cell: Cell) -> bool:
    """Whether there is nothing to say; a p that was never tested is nothing too."""
    return cell.value is None or (isinstance(cell.value, float) and math.isnan(cell.value))


def noted(note: str, marks: Mapping[str, str], escape: Callable[[object], str]) -> str:
    """A note, escaped, with the symbols that it names in braces: "{reference} reference row"."""
    pieces = re.split(r"\{(\w+)\}", note)
    return "".join(marks.get(p, escape(f"{{{p}}}")) if i % 2 else _kept(p, escape) for i, p in enumerate(pieces))


def _kept(text: str, escape: Callable[[object], str]) -> str:
    """Escaped, with the blanks at its ends."""
    if not text.strip():
        return " " if text else ""
    return (" " if text[0] == " " else "") + escape(text) + (" " if text[-1] == " " else "")
