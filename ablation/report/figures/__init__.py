"""Figures of a report. Each file has `compute` (the data), `plot`, and `render` (plot, words, alternative text)."""

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.figure import Figure
from ablation.report.figures import confusion, cost, curves, dumbbell, forest, levels, parallel
from ablation.report.figures.style import script

__all__ = ["every", "script"]


def every(study: StudyAnalysis) -> list[Figure]:
    """Return all figures of the study, in the order of the report, with those of the experiment last."""
    plots = [
        forest.render(study),
        dumbbell.render(study),
        levels.render(study),
        parallel.render(study),
        cost.render(study),
    ]
    plots += [*curves.render(study), *confusion.render(study)]
    own = (render(study) for render in getattr(study.record.experiment, "figures", ()))
    return [figure for figure in (*plots, *own) if figure]
