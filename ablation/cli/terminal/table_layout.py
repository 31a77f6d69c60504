"""Layout of a table on a terminal: the columns and rows that are shown, and their widths.

The first layout that fits is used: all columns, with long texts and headings wrapped; then with intervals below their
values; then without columns that may be hidden, in the order of `hideable`; then with the levels of a row on a line of
their own below its numbers.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from ablation.cli.terminal.table_texts import UNBROKEN, TableTexts
from ablation.model.table import Column, Table
from ablation.report.tables import cells

GAP = 2  # between columns
ALL_ROWS, FIRST_ROWS = 30, 20  # a table of more than ALL_ROWS rows shows FIRST_ROWS, the reference and the selected row
WRAPPED, NARROW = 20, 12  # characters to which a text is wrapped, and where it would not fit otherwise


@dataclass(frozen=True)
class TableLayout:
    """Layout of a table on a terminal.

    Attributes:
        columns: positions of the shown columns.
        rows: positions of the shown rows.
        widths: width of each shown column.
        stacked: whether intervals are below their values.
        levels_below: whether the levels of a row are a line below its numbers, in place of columns.
        wrapped: characters to which texts may be wrapped.
    """

    columns: tuple[int, ...]
    rows: tuple[int, ...]
    widths: tuple[int, ...] = ()
    stacked: bool = False
    levels_below: bool = False
    wrapped: int = WRAPPED


def layout(texts: TableTexts, width: int) -> TableLayout:
    """Return the first layout that fits into a width; the narrowest one where none does."""
    narrowest = TableLayout((), ())
    for candidate in _candidates(texts.table):
        narrowest = candidate
        if (fitted := _fitted(texts, candidate, width)) is not None:
            return _with_more(texts, fitted, width)
    return replace(narrowest, widths=tuple(_column_widths(texts, narrowest, k)[0] for k in narrowest.columns))


def _candidates(table: Table) -> Iterator[TableLayout]:
    full = TableLayout(tuple(range(len(table.columns))), _rows(table))
    yield full
    yield from _with_fewer(table, replace(full, stacked=True))
    if sum(column.kind == "factor" for column in table.columns) > 1:
        columns = tuple(k for k in full.columns if table.columns[k].kind != "factor")
        yield from _with_fewer(table, replace(full, columns=columns, levels_below=True))


def _with_fewer(table: Table, full: TableLayout) -> Iterator[TableLayout]:
    """Yield a layout, then with fewer and fewer columns, then with intervals below their values and narrow texts."""
    yield full
    for k in hideable(table):
        full = replace(full, columns=tuple(c for c in full.columns if c != k))
        yield full
    yield replace(full, stacked=True, wrapped=NARROW)


def hideable(table: Table) -> list[int]:
    """Return the columns that may be hidden, the least important one first.

    Costs and words come first, then train, further measures, the number of seeds, and validation; among columns of one
    importance, the last one first. Never hidden: rows, labels, levels, the first measure on test, its difference, p.
    """
    columns = table.columns
    of_kind = {kind: [k for k, c in enumerate(columns) if c.kind == kind] for kind in ("estimate", "percent", "change")}
    measures = of_kind["estimate"] or of_kind["percent"]
    kept = {0, *measures[:1], *of_kind["change"][:1]}
    kept |= {k for k, c in enumerate(columns) if c.kind in ("factor", "p") or c.key in ("label", "levels")}
    ranks = {k: _importance(column) for k, column in enumerate(columns) if k not in kept}
    return sorted(ranks, key=lambda k: (ranks[k], -k))


def _importance(column: Column) -> int:
    if column.key.startswith("train_"):
        return 1
    if column.kind in ("estimate", "change"):
        return 2
    if column.key == "n_seeds":
        return 3
    return 4 if column.key.startswith("val_") else 0


def _rows(table: Table) -> tuple[int, ...]:
    n = len(table.rows)
    return tuple(i for i in range(n) if n <= ALL_ROWS or i < FIRST_ROWS or table.marks[i] & {"reference", "selected"})


def _with_more(texts: TableTexts, fitted: TableLayout, width: int) -> TableLayout:
    """Return the layout with hidden columns that fit all the same, the most important one first."""
    for k in (k for k in reversed(hideable(texts.table)) if k not in fitted.columns):
        columns = tuple(sorted({*fitted.columns, k}))
        fitted = _fitted(texts, replace(fitted, columns=columns), width) or fitted
    return fitted


def _fitted(texts: TableTexts, candidate: TableLayout, width: int) -> TableLayout | None:
    """Return the layout with its widths, the widest column narrowed first; None where it does not fit."""
    least, widths = map(list, zip(*(_column_widths(texts, candidate, k) for k in candidate.columns), strict=True))
    room = width - GAP * (len(widths) - 1)
    while sum(widths) > room:
        at = max(range(len(widths)), key=lambda n: (widths[n] > least[n], widths[n]))
        if widths[at] <= least[at]:
            return None
        widths[at] -= 1
    return replace(candidate, widths=tuple(widths))


def _column_widths(texts: TableTexts, candidate: TableLayout, k: int) -> tuple[int, int]:
    """Return the least width of a column, and the width at which nothing is wrapped."""
    heading = _heading(texts, candidate, k)
    lines = [line for i in candidate.rows for line in column_text(texts, candidate, i, k).split("\n")]
    widest = max(map(cell_len, lines), default=0)
    is_wrapped = cells.is_left(texts.table, k) and texts.table.columns[k].kind != "row"
    least = min(widest, candidate.wrapped) if is_wrapped else widest
    return (
        max(least, *map(cell_len, re.split(r"[ \n]", heading))),
        max(widest, *map(cell_len, heading.split("\n"))),
    )


def column_heading(texts: TableTexts, chosen: TableLayout, k: int, width: int) -> str:
    """Return the heading of a shown column, wrapped at the blanks to a width in characters."""
    lines = _heading(texts, chosen, k).split("\n")
    return "\n".join(textwrap.fill(line, width, break_long_words=False) for line in lines).replace(UNBROKEN, " ")


def _heading(texts: TableTexts, chosen: TableLayout, k: int) -> str:
    at = chosen.columns.index(k)
    return texts.heading(k, chosen.columns[at - 1] if at else None)


def column_text(texts: TableTexts, chosen: TableLayout, row: int, k: int) -> str:
    """Return the text of a shown cell."""
    return (texts.stacked if chosen.stacked else texts.side_by_side)[row][k]


def levels(texts: TableTexts, row: int) -> str:
    """Return the levels of a row as one text, as in "LR=1e-4, Batch=256"."""
    factors = [k for k, column in enumerate(texts.table.columns) if column.kind == "factor"]
    return ", ".join(f"{texts.heading(k).strip()}={texts.parts[row][k][0]}" for k in factors)


def hidden(table: Table, chosen: TableLayout) -> tuple[Sequence[str], int]:
    """Return the titles of the hidden columns, and the number of hidden rows."""
    shown = [
        k for k, c in enumerate(table.columns) if k in chosen.columns or (chosen.levels_below and c.kind == "factor")
    ]
    titles = [column.title for k, column in enumerate(table.columns) if k not in shown]
    return titles, len(table.rows) - len(chosen.rows)
