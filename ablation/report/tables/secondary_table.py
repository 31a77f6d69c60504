"""Constructors for secondary tables."""

from collections.abc import Sequence
from typing import Any

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.table import Cell, Column, Table
from ablation.report.tables.table import MANY_IMAGES

MOST = 60  # contrasts or rows in a table; the CSV files have all of them


def secondary_table(
    study: StudyAnalysis, key: str, caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Any]],
    notes: Sequence[str] = (),
) -> Table:  # fmt: skip
    """Return a secondary table.

    Args:
        study: analysis of the study; gives the table's name and decimals.
        key: key of the table, which is also its file name.
        caption: caption of the table.
        columns: columns of the table.
        rows: one sequence of values or cells per row.
        notes: notes below the table.
    """
    cells = tuple(tuple(v if isinstance(v, Cell) else Cell(v) for v in row) for row in rows)
    n_examples = max((evidence.n for evidence in study.test.values()), default=0)
    decimals = 2 if n_examples >= MANY_IMAGES else 1
    return Table(
        study.record.name, caption, tuple(columns), cells, (frozenset(),) * len(cells), tuple(notes), decimals, key
    )


def marked_rows(table: Table, study: StudyAnalysis, rows: Sequence[int]) -> Table:
    """Return a table with the selected and the reference row marked. `rows`: row number of each line of the table."""
    sealed, reference = study.sealed, study.record.grid.reference
    marks = tuple(
        frozenset({"selected"} if sealed and r == sealed.row else ())
        | frozenset({"reference"} if r == reference else ())
        for r in rows
    )
    return Table(table.name, table.caption, table.columns, table.rows, marks, table.notes, table.decimals, table.key)
