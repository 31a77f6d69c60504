"""A table in HTML: headings for readers and for screen readers, and a value in each cell to sort by."""

from typing import Any

from ablation.model.table import Cell, Column, Table
from ablation.report.tables import cells
from ablation.report.tables.cells import MARKS
from ablation.report.templates import HTML
from ablation.statistics.intervals import Interval


def _value(cell: Cell) -> str:
    """Return the value by which a column is sorted."""
    value: Any = cell.value
    if isinstance(value, Interval):
        value = value.value
    if isinstance(value, tuple):
        value = value[0]
    return "" if value is None else str(value)


def _cell(table: Table, row: int, k: int) -> dict[str, Any]:
    column, cell = table.columns[k], table.rows[row][k]
    bracket = ""
    if column.kind == "row":
        text = f"{cell.value}" + "".join(MARKS[m] for m in MARKS if m in table.marks[row])
    elif cells.is_empty(column, cell):
        text = "–"  # noqa: RUF001 (the sign for no value)
    elif cells.is_reason(column, cell):
        text = str(cell.value)
    else:
        text, bracket = cells.parts(column, cell, table.decimals)
    left = cells.is_left(table, k)
    return {"text": text, "bracket": bracket, "value": _value(cell), "bold": cell.bold, "left": left, "head": not k}


def _heads(column: Column, left: bool) -> dict[str, Any]:
    return {"title": column.title, "left": left}


def view(table: Table) -> dict[str, Any]:
    """Return the fields that the HTML template of a table reads."""
    return {
        "key": table.key,
        "caption": table.caption,
        "groups": [(group, len(members)) for group, members in cells.groups(table)],
        "heads": [_heads(column, cells.is_left(table, k)) for k, column in enumerate(table.columns)],
        "rows": [[_cell(table, i, k) for k in range(len(table.columns))] for i in range(len(table.rows))],
        "notes": [cells.noted(note, MARKS, str) for note in table.notes],
    }


def fragment(table: Table) -> str:
    """Return a table with its notes as a part of a page, for a notebook: without scripts, with its own style."""
    return HTML.get_template("fragment.html").render(table=view(table))
