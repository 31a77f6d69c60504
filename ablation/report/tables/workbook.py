"""Excel workbook of a study: one sheet per table, with numbers as numbers and the notes below."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from ablation.late_imports import late_import
from ablation.model.table import Cell, Column, Table
from ablation.report.tables import cells, origin
from ablation.report.tables.cells import MARKS
from ablation.report.tables.escape import one_line
from ablation.statistics.intervals import Interval
from ablation.store.files import atomic
from ablation.study.levels import short
from ablation.study.table_keys import TableKeys

openpyxl = late_import("openpyxl")
styles, utils = late_import("openpyxl.styles"), late_import("openpyxl.utils")

WORKBOOK = "workbook"  # in place of a table's key, in the origin
LONGEST_TITLE = 28  # characters of a sheet's name: Excel allows 31, and equal names get a number
WIDEST = 40  # characters of a column
LONGEST_TEXT = 32_767  # characters that Excel allows in a cell


def write(tables: Iterable[Table], path: Path, keys: TableKeys) -> None:
    """Write a workbook; see `book`."""
    with atomic(path) as temporary:
        book(tables, keys).save(temporary)


def book(tables: Iterable[Table], keys: TableKeys) -> Any:
    """Return a workbook with one sheet per table: titles in the first row, a line per row, then caption and notes.

    Numbers have full precision and the table's number format; intervals and deviations have columns of their own. The
    description of the workbook states its origin.

    Args:
        tables: tables of one study.
        keys: keys of [table] with which they are drawn.
    """
    made, tables = openpyxl.Workbook(), tuple(tables)
    made.remove(made.worksheets[0])
    made.properties.description = f"ablate: {origin.stated(tables[0].name, WORKBOOK, keys)}"
    for table in tables:
        _fill(made.create_sheet(re.sub(r"[\[\]:*?/\\']", " ", one_line(table.key))[:LONGEST_TITLE]), table)
    return made


def _fill(sheet: Any, table: Table) -> None:
    widths = [_width(table, k) for k in range(len(table.columns))]
    _line(sheet, 1, [title for k, n in enumerate(widths) for title in _titles(table.columns[k], n)], bold=True)
    for number in range(len(table.rows)):
        _row(sheet, table, number, widths)
    for number, note in enumerate([table.caption, *(cells.noted(note, MARKS, str) for note in table.notes)]):
        _line(sheet, len(table.rows) + 3 + number, [note])
    sheet.freeze_panes = "A2"
    for k, title in enumerate(sheet[1], start=1):
        sheet.column_dimensions[utils.get_column_letter(k)].width = min(WIDEST, max(8, len(str(title.value or "")) + 2))


def _row(sheet: Any, table: Table, number: int, widths: Sequence[int]) -> None:
    place = 1
    for column, cell, width in zip(table.columns, table.rows[number], widths, strict=True):
        for offset, value in enumerate(_values(column, cell, width)):
            target = sheet.cell(number + 2, place + offset)
            _put(target, value, cell.bold)
            if not isinstance(value, str):
                target.number_format = _format(table, number, column)
        place += width


def _line(sheet: Any, number: int, texts: Sequence[str], bold: bool = False) -> None:
    for k, text in enumerate(texts, start=1):
        _put(sheet.cell(number, k), text, bold)


def _put(target: Any, value: float | str | None, bold: bool = False) -> None:
    """Set the value of a cell of the sheet. A text stays a text, even where it begins like a formula."""
    text = one_line(value)[:LONGEST_TEXT] if isinstance(value, str) else ""
    target.value = text or (None if isinstance(value, str) else value)
    if text:
        target.data_type = "s"
        target.quotePrefix = text.startswith(("=", "+", "-", "@"))
    if bold:
        target.font = styles.Font(bold=True)


def _width(table: Table, k: int) -> int:
    """Return the number of the sheet's columns of a column: 3 with bounds, 2 with a deviation, otherwise 1."""
    if cells.is_double(table, k):
        return 3
    return 2 if any(isinstance(row[k].value, tuple) for row in table.rows) and table.columns[k].kind == "percent" else 1


def _titles(column: Column, width: int) -> list[str]:
    title = f"{column.group}: {column.title}" if column.group and column.title else column.group or column.title
    more = {1: (), 2: ("SD",), 3: ("low", "high")}[width]
    return [title, *(f"{title}, {name}" for name in more)]


def _values(column: Column, cell: Cell, width: int) -> list[float | str | None]:
    """Return the values of a cell in each column of the sheet that it takes."""
    value = cell.value
    if cells.is_empty(column, cell):
        values: list[Any] = []
    elif isinstance(value, Interval):
        values = [value.value, value.low, value.high]
    else:
        values = list(value) if width == 2 and isinstance(value, tuple) else [value]
    return [_plain(column, part) for part in (values + [None] * width)[:width]]


def _scale(column: Column) -> float:
    if column.kind in ("percent", "estimate", "change"):
        return column.scale
    return 100.0 if column.kind == "published" else 1.0


def _plain(column: Column, value: Any) -> float | str | None:
    """Return a value that a sheet can hold; None for nan, and a text for infinite values and for levels."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | tuple | list):
        return short(column.key, value)
    number = float(value) * _scale(column)
    if math.isnan(number):
        return None
    return str(number) if math.isinf(number) else int(number) if column.kind in ("row", "count") else number


def _format(table: Table, row: int, column: Column) -> str:
    """Return Excel's number format of a cell: decimals and signs as in the table, marks of a row after its number."""
    if column.kind == "row":
        marks = "".join(MARKS[mark] for mark in MARKS if mark in table.marks[row])
        return f'0"{marks}"' if marks else "0"
    if column.kind in ("percent", "estimate", "change"):
        decimals = table.decimals if column.decimals is None else column.decimals
        number = "0" + "." * bool(decimals) + "0" * decimals
        return f"+{number};-{number};{number}" if column.kind == "change" else number
    return {"p": '[<0.001]"<0.001";0.000', "count": "#,##0", "published": "0.0##"}.get(column.kind, "General")


def opened(content: bytes) -> Any:
    """Return the workbook in a file's bytes; None where they are no workbook."""
    try:
        return openpyxl.load_workbook(BytesIO(content))
    except Exception:  # errors of zip files, of XML and of openpyxl's own
        return None


def lines(book: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name of each line that has a value, and its cells."""
    for sheet in book.worksheets:
        for number, row in enumerate(sheet.iter_rows(), start=1):
            texts = tuple(_read(cell) for cell in row)
            if any(texts):
                yield f"sheet {sheet.title}, line {number}", texts


def _read(cell: Any) -> str:
    """Return the value of a cell with its number format; of numbers 12 digits, since files do not keep all."""
    if cell.value is None:
        return ""
    is_number = isinstance(cell.value, int | float)
    return f"{cell.value:.12g} as {cell.number_format}" if is_number else str(cell.value)
