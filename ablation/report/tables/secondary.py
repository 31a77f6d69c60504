"""The secondary tables, which follow the ablation table, in their order."""

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.table import Table
from ablation.report.tables.comparisons import comparisons
from ablation.report.tables.contrasts import contrasts
from ablation.report.tables.costs import costs
from ablation.report.tables.effects import effects
from ablation.report.tables.per_class import evaluated, selected
from ablation.report.tables.reproduction import reproduction
from ablation.report.tables.review import review
from ablation.report.tables.search import search
from ablation.report.tables.selection import selection
from ablation.report.tables.unpaired import unpaired


def every(study: StudyAnalysis) -> list[Table]:
    """Return all secondary tables that this study has."""
    builders = (
        contrasts,
        unpaired,
        effects,
        search,
        selection,
        costs,
        selected,
        reproduction,
        *getattr(study.record.experiment, "tables", ()),
    )
    tables = [table for build in builders if (table := build(study))]
    evaluations = (evaluated(study, evaluation) for evaluation in study.evaluations)
    for_reviewers = review(study)
    return [*comparisons(study), *tables, *evaluations, *([for_reviewers] if for_reviewers else [])]
