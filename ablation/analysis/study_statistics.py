"""Statistics of a study: intervals of rows, differences between rows, effects of factors, stability of the selection.

Every number in a table or figure other than the scores themselves is computed here, from scores of examples.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ablation.analysis import comparisons, differences, effects, selection_bootstrap
from ablation.analysis.differences import Rows
from ablation.analysis.evidence import StudyEvidence, drawn, samples
from ablation.analysis.facts import SEEDS, Analysis, Contrast, Difference, Noise, RowFacts, Sample, Score
from ablation.measures.measure import BINARY
from ablation.statistics import bootstrap, intervals, tests
from ablation.statistics.intervals import Interval
from ablation.store.record import Record
from ablation.study import design
from ablation.study.grid import Trial

BOOTSTRAP_ROWS = 100  # above so many rows, bootstrap intervals are made only on request
TRIALS, TRIALS_A_LEVEL = 50, 5  # with fewer, the importance of a factor is mostly noise
FEW_EXAMPLES = 10  # with fewer, no minimum detectable difference is computed


def analyse(
    record: Record,
    evidence: StudyEvidence,
    parameters: Mapping[int, int],
    selected: int | None,
    all_intervals: bool = False,
) -> Analysis:
    """Return all statistics of a study.

    Args:
        record: the study.
        evidence: evidence of its rows.
        parameters: row -> number of trained parameters.
        selected: number of the row that validation selected.
        all_intervals: compute bootstrap intervals for any number of rows.
    """
    grid, name = record.grid, record.primary.name
    bootstrapped = all_intervals or len(grid.rows) <= BOOTSTRAP_ROWS
    sampled = drawn if bootstrapped else samples
    val, test = sampled(evidence.val, record.primary), {m.name: sampled(evidence.test, m) for m in record.detailed}
    rows, others = test[name], {m: rows for m, rows in test.items() if m != name}
    on_reference_split = sorted(r for r in rows if rows[r].split == record.reference_split)
    near_reference, pairs = differences.neighbours(rows, grid.reference), design.pairs(grid, on_reference_split)
    near_selected = differences.neighbours(rows, selected)
    compared_pairs = [(grid.reference, r) for r in near_reference] + [(p.first, p.second) for p in pairs]
    by_pair = differences.between(
        rows, compared_pairs + [(selected, r) for r in near_selected if selected], grid.margin, others
    )
    deltas = differences.adjusted([by_pair[grid.reference, r] for r in near_reference])
    by_row = dict(zip(near_reference, deltas, strict=True))
    alike = differences.not_different(selected, near_selected, by_pair)
    noise = _noise(evidence.replicates.sample(record.primary) if evidence.replicates else None)
    adjusted = differences.adjusted([by_pair[p.first, p.second] for p in pairs])
    contrasts = tuple(Contrast(p, d) for p, d in zip(pairs, adjusted, strict=True))
    by_rule = record.selected_by or record.primary
    selecting = val if by_rule.name == name else samples(evidence.val, by_rule)
    return Analysis(
        rows={
            r: RowFacts(
                r,
                len(sample.seeds),
                _score(sample),
                {m: _score(by_measure[r]) for m, by_measure in others.items() if r in by_measure},
                by_row.get(r),
                alike.get(r),
                _gap(record, evidence.train.get(r), val.get(r)),
                noise.range.holds(sample.mean) if noise and r in on_reference_split else None,
            )
            for r, sample in rows.items()
        },
        contrasts=contrasts,
        effects=tuple(effects.main_effects(grid, on_reference_split, rows, contrasts)),
        interactions=tuple(effects.interactions(grid, on_reference_split, rows)),
        stability=selection_bootstrap.stability(record, parameters, val, selecting, selected),
        cochran=_cochran(rows, on_reference_split),
        detectable=_detectable(deltas, rows, on_reference_split),
        noise=noise,
        bootstrapped=bootstrapped,
        families=tuple(comparisons.families(grid, rows, others)),
        second_best=selection_bootstrap.second_best(record, parameters, selecting, selected),
    )


def _score(sample: Sample) -> Score:
    """Return the score of a row, with its intervals over examples and, with enough seeds, over seeds."""
    enough_seeds = len(sample.seeds) >= SEEDS
    over_seeds = _over_units(sample, sample.values) if enough_seeds else None
    over_examples = _over_examples(sample)
    return Score(over_examples.value if over_examples else sample.mean, over_examples, over_seeds)


def _over_examples(sample: Sample) -> Interval | None:
    """Return the interval over examples. Wilson's for right and wrong examples of one seed; Student's t for scores;
    bootstrap percentiles for an aggregate; None where there is nothing to compute one from."""
    if sample.scores is None:
        draws = sample.draws
        return None if draws is None else bootstrap.percentiles(np.array([sample.mean]), draws.mean(axis=0)[None])[0]
    if sample.kind == BINARY and np.isin(sample.share, (0, 1)).all():
        return intervals.wilson(int(sample.share.sum()), sample.n)
    return _over_units(sample, sample.share.astype(float))


def _over_units(sample: Sample, values: np.ndarray) -> Interval:
    """Return the t interval of `values` (N,) over examples or seeds, within the sample's bounds."""
    return intervals.within(differences.over_units(values[None], sample.kind)[0], *sample.bounds)


def _gap(record: Record, train: float | None, val: Sample | None) -> float | None:
    """Return train minus validation of a share; None for other measures, and where one of the two is missing."""
    if train is None or val is None or not record.primary.is_share:
        return None
    return train - val.mean


def _noise(replicates: Sample | None) -> Noise | None:
    """Return the range for one more training of the reference, by Student's t for a single new observation."""
    if replicates is None or len(replicates.seeds) < 2:
        return None
    interval = intervals.mean(replicates.values)
    reach = (interval.high - interval.value) * np.sqrt(len(replicates.seeds) + 1)  # t s / sqrt(N) to t s sqrt(1 + 1/N)
    return Noise(
        tuple(map(float, replicates.values)),
        intervals.within(Interval(interval.value, interval.value - reach, interval.value + reach), *replicates.bounds),
    )


def _cochran(test: Rows, rows: Sequence[int]) -> float | None:
    """Return Cochran's p value of no difference among the rows; None unless all have one seed and right or wrong
    examples."""
    samples = [test[r] for r in rows]
    if not rows or any(s.kind != BINARY or s.scores is None or len(s.seeds) > 1 for s in samples):
        return None
    return tests.cochran_q(np.array([s.scores[0] for s in samples if s.scores is not None]).T)


def _detectable(deltas: Sequence[Difference], test: Rows, rows: Sequence[int]) -> float | None:
    """Return the minimum detectable difference, at the rows' median share of examples discordant with the reference."""
    discordant = [d.against.only_a + d.against.only_b for d in deltas if d.against]
    n = test[rows[0]].n if rows else 0
    median_share = float(np.median(discordant)) / n if discordant else 0.0
    return tests.minimum_detectable_effect(median_share, n) if median_share and n >= FEW_EXAMPLES else None


def can_weigh(record: Record, finished: Collection[Trial]) -> bool:
    """Return whether importances are meaningful: enough trials, overall and for each level."""
    counts = Counter((f, getattr(t.condition, f)) for t in finished for f in record.grid.varying)
    return len(finished) >= TRIALS and min(counts.values(), default=0) >= TRIALS_A_LEVEL
