"""Comparison of rows that a user chooses after the table was seen: computed from files alone, and never corrected."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ablation.analysis import selection, study_analysis
from ablation.analysis.selection import Selection
from ablation.analysis.study_analysis import Results, StudyAnalysis
from ablation.errors import AblateError
from ablation.model.phrases import listed, which
from ablation.model.table import Table
from ablation.nearest import nearest
from ablation.report.tables import comparisons as tables
from ablation.report.tables import dataframes, digits
from ablation.store import record as records
from ablation.store.record import Record
from ablation.store.workspace import Workspace, check_name
from ablation.study import comparisons
from ablation.study.study_keys import quote
from ablation.study.table_keys import Comparison

CORRECTED = ("p_holm",)  # columns of comparisons.csv that such a comparison does not have
IDENTITY = ("study", "family")


def compare(workspace: Workspace, name: str, rows: Sequence[str]) -> StudyAnalysis:
    """Return the analysis of these rows alone, with all pairs of them as its one family. Nothing is written.

    Args:
        workspace: workspace of the study.
        name: name of the study.
        rows: numbers or labels of two or more rows.

    Raises:
        AblateError: the study or a row is missing, the test results are not open, or no two rows can be compared.
    """
    check_name(name)
    record = records.need(workspace, name)
    numbers = _numbers(record, rows)
    family = Comparison(rows=[dict(record.grid.rows[row - 1]) for row in numbers])  # the family "list": all pairs
    comparisons.refuse_size("ablate compare", record.grid, family)
    sealed = _need_open(workspace, record)
    results = study_analysis.collect(workspace, record)
    _need_finished(record, numbers, results)
    chosen = {trial: result if trial.row in numbers else None for trial, result in results.items()}
    grid = record.grid.model_copy(update={"comparisons": (family,)})
    without_selection = sealed.model_copy(update={"row": None})  # its statistics are slow, and not shown
    study = study_analysis.gather(
        workspace, record.model_copy(update={"grid": grid}), chosen, without_selection, all_intervals=True
    )
    if not any(family.pairs for family in study.analysis.families):
        raise AblateError(
            f"study {name!r}: {which(numbers)} have different test {record.noun}s, so their results cannot be paired"
        )
    return study


def _numbers(record: Record, rows: Sequence[str]) -> list[int]:
    """Return the numbers of rows that are named by number or label. Raises AblateError for a wrong or repeated row."""
    if len(rows) < 2:
        raise AblateError("name two or more rows, as in `ablate compare 3 7`")
    numbers = [_number(record, row) for row in rows]
    for position, number in enumerate(numbers):
        if number in numbers[:position]:
            raise AblateError(f"row {number} is named twice; name each row once")
    return numbers


def _number(record: Record, row: str) -> int:
    grid = record.grid
    if row.isascii() and row.isdecimal():
        if not (len(row) <= 9 and 1 <= int(row) <= len(grid.rows)):
            raise AblateError(f"row {row}: study {record.name!r} has no such row; its rows: 1 to {len(grid.rows)}")
        return int(row)
    labelled = comparisons.rows_labelled(grid, row) if row else []
    if len(labelled) == 1:
        return labelled[0]
    if labelled:
        raise AblateError(f"row {quote(row)}: rows {listed(labelled)} have this label; name the row by its number")
    labels = f"; labels: {listed(filter(None, grid.labels))}" if any(grid.labels) else ""
    raise AblateError(
        f"row {quote(row)}: no row of study {record.name!r} has this label; numbers: 1 to {len(grid.rows)}{labels}"
        f"{nearest(row, filter(None, grid.labels))}"
    )


def _need_open(workspace: Workspace, record: Record) -> Selection:
    """Return the sealed selection. Raises AblateError where there is none: the test results are not open then."""
    sealed = selection.read(workspace, record)
    if sealed is None:
        raise AblateError(
            f"study {record.name!r}: the selection is not sealed yet, so test results are not open; finish the study "
            "with `ablate run` first"
        )
    return sealed


def _need_finished(record: Record, numbers: Sequence[int], results: Results) -> None:
    finished = {trial.row for trial in study_analysis.of_rows(record, results)}
    if unfinished := [row for row in numbers if row not in finished]:
        raise AblateError(
            f"study {record.name!r}: {which(unfinished, 'has', 'have')} no finished training; finished: "
            f"{which(finished)}"
        )


def table(study: StudyAnalysis) -> Table:
    """Return the table of the comparison, with what it may not claim."""
    return digits.resolved(tables.after_the_table(study))


def frame(study: StudyAnalysis) -> pd.DataFrame:
    """Return one line per compared pair: the columns of comparisons.csv, without correction."""
    family = study.analysis.families[0]
    return dataframes.comparisons(study.record, [family]).drop(columns=[*IDENTITY, *CORRECTED])


def as_json(study: StudyAnalysis) -> dict[str, Any]:
    """Return the comparison as plain values: the columns of comparisons.csv, without correction."""
    family = study.analysis.families[0]
    return {
        "study": study.record.name,
        "corrected": False,
        "pairs": [_plain(line) for line in frame(study).to_dict("records")],
        "not_compared": [
            {"from_row": first, "to_row": second, "reason": reason}
            for (first, second), reason in family.untested.items()
        ],
        "notes": list(table(study).notes),
    }


def _plain(line: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a line with None in place of nan, which JSON does not have."""
    return {str(name): None if value != value else value for name, value in line.items()}
