"""Scores of every finished trial on test, once a selection is sealed."""

from dataclasses import dataclass

from ablation.analysis import selection
from ablation.analysis.study_analysis import StudyAnalysis, done
from ablation.store.examples import Opener
from ablation.store.workspace import Workspace
from ablation.study.grid import Trial


@dataclass(frozen=True)
class HeldOutScores:
    """Test results, available once a selection is sealed.

    Attributes:
        scores: finished trial -> measure -> value.
        opened: opener of the test predictions.
        selected: number of the selected row; None where the study selects nothing.
    """

    scores: dict[Trial, dict[str, float]]
    opened: Opener
    selected: int | None


def scores(analysis: StudyAnalysis) -> dict[Trial, dict[str, float]]:
    """Return the test scores of each finished trial, replicates included."""
    values: dict[Trial, dict[str, float]] = {}
    for trial in done(analysis.results):
        replicate = analysis.record.grid.is_replicate(trial)
        evidence = analysis.replicates if replicate else analysis.test.get(trial.row)
        if evidence:
            samples = {m.name: evidence.sample(m) for m in analysis.record.measures.values()}
            values[trial] = {
                name: float(sample.values[sample.seeds.index(trial.seed)])
                for name, sample in samples.items()
                if sample and trial.seed in sample.seeds
            }
    return values


def held_out(workspace: Workspace, analysis: StudyAnalysis) -> HeldOutScores | None:
    """Return the test results of a study; None until a selection is sealed."""
    sealed = analysis.sealed
    return (
        HeldOutScores(scores(analysis), selection.unseal(workspace, analysis.record, sealed), sealed.row)
        if sealed
        else None
    )
