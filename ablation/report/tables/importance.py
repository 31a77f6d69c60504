"""The table of factor importances."""

from collections.abc import Mapping

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.phrases import plural
from ablation.model.table import Column, Table
from ablation.report.tables.secondary_table import secondary_table


def importance(study: StudyAnalysis, shares: Mapping[str, tuple[float, float]]) -> Table:
    """Return the table of factor importances.

    Args:
        study: analysis of the study.
        shares: factor -> (mean, standard deviation) of its share of variance.
    """
    columns = [Column("factor", "Factor", "text"), Column("share", "Share (%)", "percent")]
    rows = [[study.record.grid.titles[f], share] for f, share in sorted(shares.items(), key=lambda item: -item[1][0])]
    trials = [trial for row in range(1, len(study.record.grid.rows) + 1) for trial, _ in study.finished(row)]
    seeds = ", each seed a trial of its own" if len(study.record.grid.seeds) > 1 else ""
    notes = [
        "Share of variance on validation explained by a surrogate forest (fANOVA), mean ± SD over ten forests; "
        "not an effect size: the contrasts are.",
        f"Fitted to {plural(len(trials), 'trial')} of {plural(len({t.condition for t in trials}), 'combination')} of "
        f"levels{seeds}.",
    ]
    return secondary_table(study, "importance", "Importance of the factors.", columns, rows, notes)
