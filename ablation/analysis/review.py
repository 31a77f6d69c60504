"""Facts that reviewers ask for: all runs, what varied, what can be detected, and conclusions by other averages."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ablation.analysis import differences, selection
from ablation.analysis.facts import SEEDS, Sample
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.measures.measure import Measure
from ablation.statistics import power
from ablation.study.grid import Trial

NOT_RUN = "not run"
MEAN, MEDIAN, WITHOUT_WORST = "the mean over seeds", "the median", "the mean without each row's worst seed"

Average = Callable[[np.ndarray, Measure], float]  # of the values of S seeds, (S,)


def _without_worst(values: np.ndarray, measure: Measure) -> float:
    """Return the mean without the worst value; of a single value, that value."""
    ordered = np.sort(values)
    kept = ordered[:-1] if measure.lowest else ordered[1:]
    return float((kept if len(kept) else ordered).mean())


AVERAGES: Mapping[str, Average] = {
    MEAN: lambda values, _: float(values.mean()),
    MEDIAN: lambda values, _: float(np.median(values)),
    WITHOUT_WORST: _without_worst,
}


@dataclass(frozen=True)
class RowReview:
    """Runs of one row, and its difference from the reference on test by several averages over their common seeds.

    Attributes:
        outcomes: outcome -> number of trials.
        difference: difference by the mean; None for the reference, and without a comparison.
        deviations: `difference` in standard deviations of the reference over seeds; None where it is unknown.
        median: difference of the medians over seeds; None with fewer than three common seeds.
        without_worst: difference of the means without each row's worst seed; None as for `median`.
    """

    row: int
    outcomes: Mapping[str, int]
    difference: float | None = None
    deviations: float | None = None
    median: float | None = None
    without_worst: float | None = None

    @property
    def holds(self) -> bool | None:
        """True where all averages give the difference the same sign; None where there is a single average."""
        if self.difference is None or self.median is None or self.without_worst is None:
            return None
        return len({float(np.sign(v)) for v in (self.difference, self.median, self.without_worst)}) == 1


@dataclass(frozen=True)
class Detectable:
    """Smallest difference that one paired t test detects with power 0.8.

    Attributes:
        value: difference in the measure's unit.
        deviation: standard deviation of the paired differences, the median over rows.
        n: number of seeds or of test examples.
    """

    value: float
    deviation: float
    n: int


@dataclass(frozen=True)
class Review:
    """Facts about a study that reviewers ask for.

    Attributes:
        rows: runs and differences of each row.
        replicates: outcome of the reference's replicates -> number of trials.
        trainings: number of trainings that answer all trials.
        varies: what a trial's seed changes, as the experiment states it; "" where it does not.
        same_examples: whether all seeds of a row have the same test examples; None where the examples are unknown.
        over_examples: detectable difference over test examples by the t test; None where McNemar's test applies, and
            where there are no scores of examples.
        over_seeds: detectable difference over seeds; None with fewer than three common seeds.
        seed_values: test scores of all trainings of the reference.
        selected: average over seeds -> row that validation would select; {} with fewer than three seeds.
        best: average over seeds -> row that is best on test; {} as for `selected`.
        families: name of a family of tests -> number of its tests; Holm's correction is within a family.
        others: titles of the measures without p values.
    """

    rows: tuple[RowReview, ...]
    replicates: Mapping[str, int]
    trainings: int
    varies: str
    same_examples: bool | None
    over_examples: Detectable | None
    over_seeds: Detectable | None
    seed_values: tuple[float, ...]
    selected: Mapping[str, int]
    best: Mapping[str, int]
    families: Mapping[str, int]
    others: tuple[str, ...]

    @property
    def seed_deviation(self) -> float | None:
        """Standard deviation of the reference over seeds; None with fewer than three, and where it is 0."""
        return _deviation(self.seed_values)


def _deviation(values: Sequence[float]) -> float | None:
    """Return the standard deviation over seeds; None with fewer than three values, and where it is 0."""
    deviation = float(np.std(values, ddof=1)) if len(values) >= SEEDS else 0.0
    return deviation or None


def review(study: StudyAnalysis) -> Review:
    """Return the facts about a study with a sealed selection."""
    grid, samples = study.record.grid, _samples(study)
    seed_values = _seed_values(study, samples)
    pairs = [differences.common(samples[grid.reference], samples[row]) for row in _compared(study)]
    runs = {trial: result.outcome if result else NOT_RUN for trial, result in study.results.items()}
    return Review(
        rows=tuple(_row(study, samples, row, runs, seed_values) for row in range(1, len(grid.rows) + 1)),
        replicates=Counter(str(outcome) for trial, outcome in runs.items() if grid.is_replicate(trial)),
        trainings=len({study.record.training_key(trial) for trial in runs}),
        varies=str(getattr(study.record.experiment, "varies", "")),
        same_examples=_same_examples(study),
        over_examples=None if study.analysis.largest_power is not None else _over_examples(pairs),
        over_seeds=_over_seeds(pairs),
        seed_values=seed_values,
        selected=_selected(study),
        best=_best(study, samples),
        families=dict(_families(study)),
        others=tuple(m.title for m in study.record.measures.values() if m.name != study.record.primary.name),
    )


def _samples(study: StudyAnalysis) -> dict[int, Sample]:
    """Return row -> test scores by the primary measure."""
    primary = study.record.primary
    return {row: sample for row, evidence in study.test.items() if (sample := evidence.sample(primary))}


def _compared(study: StudyAnalysis) -> list[int]:
    """Return the rows that are compared with the reference."""
    return [row for row, facts in study.analysis.rows.items() if facts.delta]


def _seed_values(study: StudyAnalysis, samples: Mapping[int, Sample]) -> tuple[float, ...]:
    """Return the test scores of all trainings of the reference, replicates included."""
    replicates = study.replicates.sample(study.record.primary) if study.replicates else None
    parts = [sample for sample in (samples.get(study.record.grid.reference), replicates) if sample]
    return tuple(float(value) for sample in parts for value in sample.values)


def _row(
    study: StudyAnalysis, samples: Mapping[int, Sample], row: int, runs: Mapping[Trial, str], seeds: Sequence[float]
) -> RowReview:
    """Return the review of one row. `runs`: outcome of each trial; `seeds`: scores of the reference's trainings."""
    grid, primary, facts = study.record.grid, study.record.primary, study.analysis.rows.get(row)
    outcomes = Counter(str(runs[trial]) for trial in grid.seeded(row))
    if facts is None or facts.delta is None:
        return RowReview(row, outcomes)
    difference, deviation = facts.delta.value.value, _deviation(seeds)
    scaled = difference / deviation if deviation else None
    one, other = differences.common(samples[grid.reference], samples[row])
    if one.seeds != other.seeds or len(one.seeds) < SEEDS:
        return RowReview(row, outcomes, difference, scaled)
    median, without = (
        AVERAGES[name](other.values, primary) - AVERAGES[name](one.values, primary) for name in (MEDIAN, WITHOUT_WORST)
    )
    return RowReview(row, outcomes, difference, scaled, median, without)


def _same_examples(study: StudyAnalysis) -> bool | None:
    """Return whether all seeds of each row have the same test examples; None where the examples are unknown."""
    repeated = [evidence for evidence in study.test.values() if len(evidence.seeds) > 1]
    stored = any(r.predictions.get("test") for r in study.results.values() if r)
    return all(evidence.columns for evidence in repeated) if repeated and stored else None


def _over_examples(pairs: Sequence[tuple[Sample, Sample]]) -> Detectable | None:
    """Return the detectable difference over examples, of mean scores over common seeds."""
    scored = [(a, b) for a, b in pairs if a.scores is not None and b.scores is not None and a.n > 2]
    deviations = [float((b.share.astype(float) - a.share).std(ddof=1)) for a, b in scored]
    return _detectable(deviations, scored[0][0].n) if scored else None


def _over_seeds(pairs: Sequence[tuple[Sample, Sample]]) -> Detectable | None:
    """Return the detectable difference over seeds, for the fewest common seeds."""
    common = [(a, b) for a, b in pairs if a.seeds == b.seeds and len(a.seeds) >= SEEDS]
    deviations = [float((b.values - a.values).std(ddof=1)) for a, b in common]
    return _detectable(deviations, min(len(a.seeds) for a, _ in common)) if common else None


def _detectable(deviations: Sequence[float], n: int) -> Detectable | None:
    """Return the detectable difference at the median deviation over rows; None where it is 0."""
    deviation = float(np.median(deviations))
    return Detectable(power.paired_t_detectable(deviation, n), deviation, n) if deviation else None


def _selected(study: StudyAnalysis) -> dict[str, int]:
    """Return average over seeds -> row that the study's rule would select on validation."""
    record, measure = study.record, study.record.selected_by
    if measure is None or record.grid.on_test or len(record.grid.seeds) < SEEDS:
        return {}
    rows = {row: study.finished(row) for row in range(1, len(record.grid.rows) + 1)}
    values = {
        row: np.array([selection.validated(record, result) for _, result in trials])
        for row, trials in rows.items()
        if trials
    }
    return {
        name: min(values, key=lambda row: selection.rank(record, rows[row], [average(values[row], measure)]))
        for name, average in AVERAGES.items()
    }


def _best(study: StudyAnalysis, samples: Mapping[int, Sample]) -> dict[str, int]:
    """Return average over seeds -> row with the best test score, of rows on the reference's examples."""
    primary, reference = study.record.primary, samples.get(study.record.grid.reference)
    rows = {r: s for r, s in samples.items() if reference and s.split == reference.split and len(s.seeds) >= SEEDS}
    best = min if primary.lowest else max
    return {
        name: best(rows, key=lambda row: average(rows[row].values, primary))
        for name, average in (AVERAGES.items() if rows else ())
    }


def _families(study: StudyAnalysis) -> Iterator[tuple[str, int]]:
    """Yield (name, number of tests) of each family of tests of the primary measure."""
    rows = study.analysis.rows.values()
    yield "differences from the reference", sum(bool(f.delta and f.delta.over) for f in rows)
    yield "one-factor contrasts", sum(bool(c.difference.over) for c in study.analysis.contrasts)
    yield "comparisons with the selected row", sum(f.not_different is not None for f in rows)
    for number, family in enumerate(study.analysis.families, start=1):
        yield f"of comparisons {number}", sum(bool(d.over) for d in family.pairs.values())
