"""The table of rows on other test examples than the reference: unpaired differences."""

# ruff: noqa: RUF001 (the table contains these signs)

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.table import Column, Table
from ablation.report.tables.methods import test_name
from ablation.report.tables.secondary_table import marked_rows, secondary_table
from ablation.report.tables.table import measured


def unpaired(study: StudyAnalysis) -> Table | None:
    """Return the table; None if all rows are tested on the reference's examples."""
    differences, record = study.analysis.unpaired, study.record
    if not differences:
        return None
    reference, primary = record.grid.reference, record.primary
    columns = [
        Column("row", "Row", "row"),
        Column("n_test", f"Test {record.noun}s", "count"),
        measured(f"test_{primary.name}", primary.short, "estimate", "Test", primary),
        measured("delta", "Δ", "change", f"Test − row {reference}", primary),
        Column("p", "p", "p"),
        Column("p_holm", "p (Holm)", "p"),
    ]
    rows = []
    for row in (reference, *differences):
        d = differences.get(row)
        size = record.examples(record.grid.rows[row - 1]).get("test") or study.test[row].n or None
        numbers = [d.value, d.p, d.p_holm] if d else [None, None, None]
        rows.append([row, size, study.analysis.rows[row].primary.interval, *numbers])
    tests = " or ".join(dict.fromkeys(filter(None, (test_name(record, d) for d in differences.values()))))
    method = f"Δ: unpaired 95 % interval, unadjusted; p: {tests}" if tests else "Δ: of the numbers alone, untested"
    notes = [
        f"These rows are tested on other {record.noun}s than row {reference}, so nothing is paired. {method}; Holm "
        f"over {len(differences)} rows.",
        f"A difference contains that of the {record.noun}s: it is no effect of the row's other levels alone.",
    ]
    caption = f"Rows on different test {record.noun}s."
    table = secondary_table(study, "unpaired", caption, columns, rows, notes)
    return marked_rows(table, study, [reference, *differences])
