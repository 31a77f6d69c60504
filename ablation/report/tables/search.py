"""The table of factors in a study whose rows differ in several factors at once."""

from typing import Any

from ablation.analysis.search import FactorTest, factor_tests
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.phrases import plural, sentence
from ablation.model.table import Column, Table
from ablation.report.tables.secondary_table import secondary_table
from ablation.report.tables.table import measured

CAPTION = "Factors of a search: an additive model of the rows' means."


def search(study: StudyAnalysis) -> Table | None:
    """Return the tests of the factors; None where main effects can be estimated, or there are too few rows."""
    facts = factor_tests(study)
    if not facts:
        return None
    primary, titles = study.record.primary, study.record.grid.titles
    columns = [
        Column("factor", "Factor", "text"),
        Column("terms", "Terms", "count"),
        Column("levels", "Level", "text"),
        measured("change", "Change", "change", sentence(study.record.compared(primary)), primary),
        Column("p", "p", "p"),
        Column("p_holm", "p (Holm)", "p"),
    ]
    rows = [[titles[test.factor], *_cells(test)] for test in facts.tests]
    notes = [
        f"Ordinary least squares of {plural(facts.n_rows, 'row mean')}, each row once: runs with equal settings are "
        f"repeats, and not independent. Residual degrees of freedom: {facts.degrees}; adjusted R2: "
        f"{facts.explained:.2f}.",
        "Numbers with more than two levels enter as straight lines; change: from the lowest to the highest level, with "
        "its t interval, unadjusted. p: F test of the factor given all others; Holm over the factors.",
        "Rows of a search are not designed: a factor may act through others, and the model has no interactions.",
    ]
    return secondary_table(study, "search", CAPTION, columns, rows, notes)


def _cells(test: FactorTest) -> list[Any]:
    line = f"{test.levels[0]:.4g} to {test.levels[1]:.4g}" if test.levels else "each against the first"
    if test.f != test.f:
        return [test.terms, line, "not estimable", None, None]
    return [test.terms, line, test.change, test.p, test.p_holm]
