"""Final output of a command on the terminal: its table, the supported claims, and the most severe warnings."""
# ruff: noqa: RUF001 (the table uses these characters)

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from ablation.model.phrases import plural
from ablation.model.table import Cell, Column, Table
from ablation.report.tables import cells, markdown_csv
from ablation.report.tables.cells import MARKS
from ablation.report.tables.escape import cut, one_line
from ablation.report.warnings import GRADES, INVALIDATES, NOTE, WEAKENS, Diagnostic

CLAIMS = 3  # number of claims shown; the report has all
LONGEST = 300  # characters of a warning's fact; the report has all of it
HEAVIEST = 3  # number of warnings shown with a sentence; the report has all
MEASURED = ("percent", "estimate", "change", "published")  # kinds whose group heading contains the unit
GAP = 2  # between columns


def print_table(table: Table) -> None:
    """Print a table: fitted to the width of a terminal, otherwise as Markdown without the comment of its file."""
    if not sys.stdout.isatty():
        print(markdown_csv.markdown_table(table, ids=False))
        return
    console = Console()
    shown, stacked = _layout(table, console.width)
    console.print(Text(table.caption, style="bold"), highlight=False)
    console.print(Padding(_grid(table, shown, stacked), (1, 0)))
    for note in [*(cells.noted(note, MARKS, one_line) for note in table.notes), *_left_out(table, shown)]:
        console.print(Text(note, style="dim"), highlight=False)


def _layout(table: Table, width: int) -> tuple[list[int], bool]:
    """Return the columns to show, and whether intervals are below their values: the first layout that fits."""
    shown = list(range(len(table.columns)))
    if _width(table, shown, stacked=False) <= width:
        return shown, False
    for key in _least(table):
        if _width(table, shown, stacked=True) <= width:
            break
        shown = [k for k in shown if table.columns[k].key != key]
    return shown, True


def _least(table: Table) -> list[str]:
    """Return the columns to leave out on a narrow terminal, in this order.

    Further measures come first, the last one of them before the others, then train, then p.
    """
    keys = [column.key for column in table.columns]
    _, *further = [c.key for c in table.columns if c.kind == "estimate" and c.key.startswith("test_")] or [""]
    return [*reversed(further), *(key for key in keys if key.startswith("train_")), *(k for k in keys if k == "p_holm")]


def _width(table: Table, shown: Sequence[int], stacked: bool) -> int:
    return sum(_column_width(table, k, stacked) + GAP for k in shown)


def _column_width(table: Table, k: int, stacked: bool) -> int:
    texts = [_title(table.columns[k]), *(_text(table, i, k, stacked) for i in range(len(table.rows)))]
    return max(len(line) for text in texts for line in text.split("\n"))


def _title(column: Column) -> str:
    """Return a heading of two lines: the column's group, then its title with the unit. Factors need no group."""
    if column.kind == "factor":
        return f"\n{column.title}"
    group, _, unit = column.group.rstrip(")").partition(" (")
    return f"{group}\n{column.title}" + (f" ({unit})" if unit and column.kind in MEASURED else "")


def _text(table: Table, row: int, k: int, stacked: bool) -> str:
    column, cell = table.columns[k], table.rows[row][k]
    if column.kind == "row":
        return f"{cell.value}" + "".join(MARKS[m] for m in MARKS if m in table.marks[row])
    if cells.is_empty(column, cell):
        return "–"
    if cells.is_reason(column, cell):
        return str(cell.value)
    return ("\n" if stacked else " ").join(part for part in cells.parts(column, cell, table.decimals) if part)


def _grid(table: Table, shown: Sequence[int], stacked: bool) -> Grid:
    grid = Grid(box=None, padding=(0, GAP, 0, 0), header_style="bold", pad_edge=False)
    for k in shown:
        title, left = _title(table.columns[k]), cells.is_left(table, k)
        grid.add_column(title, justify="left" if left else "right", overflow="fold", vertical="top")
    for i, row in enumerate(table.rows):
        grid.add_row(*(Text(_text(table, i, k, stacked), style=_style(row[k])) for k in shown))
    return grid


def _style(cell: Cell) -> str:
    return "bold" if cell.bold else ""


def _left_out(table: Table, shown: Sequence[int]) -> list[str]:
    names = [column.title for k, column in enumerate(table.columns) if k not in shown]
    return [f"Not shown, because the terminal is too narrow: {', '.join(names)}."] if names else []


def print_claims(claims: Sequence[str]) -> None:
    """Print the first of the supported claims, a line per sentence. The report has them all."""
    if claims:
        count = f" ({CLAIMS} of {len(claims)}, all in the report)" if len(claims) > CLAIMS else ""
        _print(f"\nWhat may be claimed{count}:", "bold")
    for claim in claims[:CLAIMS]:
        _print(f"- {claim}")


def print_warnings(warnings: Sequence[Diagnostic], report: Path) -> None:
    """Print the most severe warnings, each with its remedy, and the number of warnings of each grade."""
    if not warnings:
        return
    grades = Counter(warning.grade for warning in warnings)
    words = {
        INVALIDATES: ("invalidates claims", "invalidate claims"),
        WEAKENS: ("weakens claims", "weaken claims"),
        NOTE: ("note", "notes"),
    }
    counts = [plural(grades[grade], *words[grade]) for grade in GRADES if grades[grade]]
    _print(f"\nWarnings ({', '.join(counts)}):", "bold yellow")
    for warning in warnings[:HEAVIEST]:
        _print(f"- {warning.code}: {cut(warning.fact, LONGEST)} {warning.remedy}")
    if len(warnings) > HEAVIEST:
        _print(f"{len(warnings) - HEAVIEST} more: {report}; about a warning: ablate explain CODE")


def _print(text: str, style: str = "") -> None:
    """Print a sentence: wrapped on a terminal, otherwise as one line."""
    if sys.stdout.isatty():
        Console().print(Text(text, style=style), highlight=False)
    else:
        print(text)
