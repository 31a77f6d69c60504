"""Texts of a table on a terminal: headings and cells, as in the files, before they are laid out."""
# ruff: noqa: RUF001 (the tables contain these signs)

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len

from ablation.cli.terminal.readable import readable
from ablation.model.table import Cell, Column, Table
from ablation.report.tables import cells
from ablation.report.tables.cells import MARKS, Parts
from ablation.report.tables.escape import one_line

MEASURED = ("percent", "estimate", "change", "published")  # kinds whose group heading contains the unit
UNBROKEN = "\N{NO-BREAK SPACE}"  # in headings: a minus sign stays with its reference mark


@dataclass(frozen=True)
class TableTexts:
    """Texts of a table in the encoding of the terminal.

    Attributes:
        table: typed table.
        encoding: encoding of the terminal; ASCII replaces characters that it lacks.
    """

    table: Table
    encoding: str

    def readable(self, text: str) -> str:
        return readable(text, self.encoding)

    @cached_property
    def parts(self) -> list[list[Parts]]:
        """Value and bracket of each cell, by row and column. Numbers of a column are padded to align on the point."""
        columns = [self._column(k, column) for k, column in enumerate(self.table.columns)]
        return [list(line) for line in zip(*columns, strict=True)]

    @cached_property
    def side_by_side(self) -> list[list[str]]:
        """Text of each cell in one line: the bracket is on the right of the value."""
        columns = [_in_line([line[k] for line in self.parts]) for k in range(len(self.table.columns))]
        return [list(line) for line in zip(*columns, strict=True)]

    @cached_property
    def stacked(self) -> list[list[str]]:
        """Text of each cell with the bracket below the value."""
        return [["\n".join(filter(None, parts)) for parts in line] for line in self.parts]

    def heading(self, k: int, before: int | None = None) -> str:
        """Return a heading of two lines: the group, then the title with the unit. Factors need no group.

        Args:
            k: position of the column.
            before: position of the column on the left; a p value needs no group after a column of the same group.
        """
        column = self.table.columns[k]
        is_same = before is not None and column.kind == "p" and self.table.columns[before].group == column.group
        if column.kind == "factor" or is_same:
            return f"\n{self.readable(one_line(column.title))}"
        group, _, unit = column.group.rstrip(")").partition(" (")
        title = one_line(column.title) + (f" ({unit})" if unit and column.kind in MEASURED else "")
        return self.readable(f"{one_line(group)}\n{title}").replace(" − °", f" −{UNBROKEN}°")

    def _column(self, k: int, column: Column) -> list[Parts]:
        pairs = [self._cell(i, column, row[k]) for i, row in enumerate(self.table.rows)]
        if column.kind not in cells.NUMBERS:
            return pairs
        numbers = [cells.is_empty(column, row[k]) or cells.is_reason(column, row[k]) for row in self.table.rows]
        tail = max(
            (len(_tail(value)) for (value, _), other in zip(pairs, numbers, strict=True) if not other), default=0
        )
        return [
            (value if other else value + " " * (tail - len(_tail(value))), bracket)
            for (value, bracket), other in zip(pairs, numbers, strict=True)
        ]

    def _cell(self, row: int, column: Column, cell: Cell) -> Parts:
        if column.kind == "row":
            marks = "".join(MARKS[m] for m in MARKS if m in self.table.marks[row])
            return self.readable(f"{one_line(cell.value)}{marks}"), ""
        if cells.is_empty(column, cell):
            return self.readable("–"), ""
        if cells.is_reason(column, cell):
            return self.readable(one_line(cell.value)), ""
        value, bracket = cells.parts(column, cell, self.table.decimals)
        return self.readable(value), self.readable(bracket)


def _tail(number: str) -> str:
    """Return the part of a number from its decimal point on."""
    return re.sub(r"^\D*[\d,]*", "", number)


def _in_line(pairs: Sequence[Parts]) -> list[str]:
    """Return values and brackets in two columns of equal width. A text wider than the values is on the right."""
    value_width = max((cell_len(value) for value, bracket in pairs if bracket), default=0)
    bracket_width = max((cell_len(bracket) for _, bracket in pairs), default=0)
    return [
        f"{padded(value, value_width)} {padded(bracket, bracket_width)}"
        if bracket_width and cell_len(value) <= value_width
        else value
        for value, bracket in pairs
    ]


def padded(text: str, width: int) -> str:
    """Return a text aligned on the right of a width in characters of the terminal."""
    return " " * (width - cell_len(text)) + text
