"""The table of costs: what the trainings of each row took, and the rows on each Pareto front."""

from collections.abc import Iterator
from typing import Any

from ablation.analysis import costs as row_costs
from ablation.analysis.costs import MEMORY, OF_EVERY_RESULT, SECONDS, StudyCosts
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.phrases import listed, sentence, which
from ablation.model.table import Column, Table
from ablation.report.tables import cost_columns
from ablation.report.tables.secondary_table import MOST, marked_rows, secondary_table
from ablation.report.tables.table import measured


def costs(study: StudyAnalysis) -> Table | None:
    """Return the table of costs, from the cheapest row; None where no row has finished."""
    row_values = row_costs.of_study(study)
    if not row_values:
        return None
    rows, has_labels = _rows(study, row_values), any(study.record.grid.labels)
    columns = list(_columns(study, row_values, has_labels))
    lines = [[_value(study, row_values, column, row) for column in columns] for row in rows]
    caption = "Costs: mean over the finished trials of a row."
    notes = [*_cut(row_values, rows), *_fronts(study, row_values), *_meanings(row_values)]
    return marked_rows(secondary_table(study, "costs", caption, columns, lines, notes), study, rows)


def _rows(study: StudyAnalysis, costs: StudyCosts) -> list[int]:
    """Return up to MOST rows from the cheapest, those on a front, the selected row and the reference among them."""
    kept = {study.selected, study.record.grid.reference, *(row for rows in costs.fronts.values() for row in rows)}
    first = sorted(costs.rows, key=lambda row: (row not in kept, row))[:MOST]
    sign = -1 if costs.measures[costs.main].best == "high" else 1
    return sorted(first, key=lambda row: (sign * costs.rows[row].get(costs.main, float("inf")), row))


def _columns(study: StudyAnalysis, costs: StudyCosts, has_labels: bool) -> Iterator[Column]:
    primary = study.record.primary
    yield Column("row", "Row", "row")
    if has_labels:
        yield Column("label", "Label", "text")
    for name, measure in costs.measures.items():
        yield cost_columns.column(name, measure, costs.values(name))
    kind, group = (
        ("estimate", sentence(study.record.held_out or "results"))
        if costs.split == "test"
        else ("percent", "Validation")
    )
    yield measured(f"{costs.split}_{primary.name}", primary.short, kind, group, primary)
    if costs.fronts:
        yield Column("pareto", "Pareto front", "text")


def _value(study: StudyAnalysis, costs: StudyCosts, column: Column, row: int) -> Any:
    if column.key == "row":
        return row
    if column.key == "label":
        return study.record.grid.labels[row - 1] or None
    if column.key == "pareto":
        return ", ".join(costs.measures[name].title for name in costs.fronts_of(row)) or None
    if column.key in costs.measures:
        return cost_columns.value(column, costs.rows[row].get(column.key))
    facts = study.analysis.rows.get(row)
    return facts.primary.interval if facts and column.kind == "estimate" else costs.scores[row]


def _cut(costs: StudyCosts, rows: list[int]) -> Iterator[str]:
    if len(rows) < len(costs.rows):
        yield f"{len(rows)} of {len(costs.rows):,} rows, all rows on a front among them; costs.csv has every row."


def _fronts(study: StudyAnalysis, costs: StudyCosts) -> Iterator[str]:
    """Yield what a front means, which rows were not compared, and which do not differ from the selected row."""
    if not costs.fronts:
        return
    split, title = study.record.held_out if costs.split == "test" else "validation", study.record.primary.title
    on_test = f", and a row that is chosen from it is chosen{study.record.on_held_out}" if costs.split == "test" else ""
    measure = f"{split} {title}".strip()
    more = [name for name in costs.fronts if costs.measures[name].best == "high"]
    direction = f" (more {listed(costs.measures[name].title for name in more)} is better)" if more else ""
    yield (
        f"Pareto front: the costs{direction} for which no other row is at least as good in both that cost and the "
        f"{measure}, and better in one. The front is of the measured numbers, without regard to noise{on_test}."
    )
    if costs.other_examples:
        yield f"Not compared, because of other {f'{split} {study.record.noun}'.strip()}s than the reference's: " + (
            f"{which(costs.other_examples)}."
        )
    if costs.incomplete:
        yield f"Not compared, because of fewer finished trials than other rows: {which(costs.incomplete)}."
    yield from not_different(study, costs)


def not_different(study: StudyAnalysis, costs: StudyCosts) -> Iterator[str]:
    """Yield which rows do not differ significantly from the selected row on test, and the cheapest row of them."""
    rows = [row for row, facts in study.analysis.rows.items() if facts.not_different]
    if not rows or study.selected is None:
        return
    yield (
        f"Not significantly different from the selected row {study.selected}{study.record.on_held_out}: {which(rows)}. "
        + ("This is no proof of equality.")
    )
    least = ", ".join(_least(costs, name, [study.selected, *rows]) for name in costs.fronts)
    yield f"Of these and row {study.selected}, the cheapest: {least}."


def _least(costs: StudyCosts, name: str, rows: list[int]) -> str:
    """Return the row of the best cost in words: "row 3 in seconds"."""
    sign = -1 if costs.measures[name].best == "high" else 1
    best = min(rows, key=lambda row: (sign * costs.rows[row].get(name, sign * float("inf")), row))
    return f"row {best} in {costs.measures[name].title}"


def _meanings(costs: StudyCosts) -> Iterator[str]:
    if costs.measures.get(SECONDS) is OF_EVERY_RESULT[SECONDS]:
        yield (
            "Seconds: from the start of the training to the result of the row, without interruptions and without the "
            "preparation of inputs that trainings share. They depend on the machine and its load. Where rows share a "
            "training, each has the time up to its own last step."
        )
    if costs.measures.get(MEMORY) is OF_EVERY_RESULT[MEMORY]:
        yield (
            "Peak memory: of the process that trained the row, earlier trainings of the same process included; "
            "therefore without a front."
        )
