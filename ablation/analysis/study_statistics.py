"""Statistics of a study: intervals of rows, differences between rows, effects of factors, stability of the selection.

Every number in a table or figure other than the scores themselves is computed here, from scores of examples.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from ablation.analysis import comparisons, differences, effects, selection_bootstrap
from ablation.analysis.differences import Rows
from ablation.analysis.evidence import StudyEvidence, drawn, samples
from ablation.analysis.facts import Analysis, Contrast, Difference, Inference, Noise, RowFacts, Sample
from ablation.analysis.scores import score
from ablation.analysis.units import basis
from ablation.analysis.unpaired import unpaired
from ablation.measures.measure import BINARY
from ablation.statistics import intervals, power, tests
from ablation.store.record import Record
from ablation.study import design
from ablation.study.grid import Grid, Trial

BOOTSTRAP_ROWS, BOOTSTRAP_EXAMPLES = 100, 500_000  # above one of these, bootstrap intervals are made only on request
CONDITIONS, CONDITIONS_A_LEVEL = 50, 5  # with fewer, the importance of a factor is mostly noise


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
    largest = max((row.n for row in evidence.test.values()), default=0)
    bootstrapped = all_intervals or (len(grid.rows) <= BOOTSTRAP_ROWS and largest <= BOOTSTRAP_EXAMPLES)
    by_fold, clusters = grid.replication == "folds", record.inputs.clusters
    inference = Inference(record.uncertainty, record.by_group, by_fold, clusters, record.legacy)
    sampled = partial(drawn if bootstrapped else samples, inference=inference)
    val, test = sampled(evidence.val, record.primary), {m.name: sampled(evidence.test, m) for m in record.detailed}
    rows = {row: sample for row, sample in test[name].items() if not np.isnan(sample.mean)}  # nan: not measured
    others = {m: rows for m, rows in test.items() if m != name}
    on_reference_split = sorted(r for r in rows if rows[r].split == record.reference_split)
    compared = _compare(grid, rows, others, selected, on_reference_split)
    replicates = evidence.replicates.sample(record.primary) if evidence.replicates else None
    noise = _noise(replicates, len(compared.deltas))
    by_rule = record.selected_by or record.primary
    selecting = val if by_rule.name == name else samples(evidence.val, by_rule, inference)
    discordant, n = _discordance([*compared.deltas.values()], rows, on_reference_split)
    return Analysis(
        rows={
            r: RowFacts(
                r,
                len(sample.seeds),
                score(sample),
                {m: score(by_measure[r]) for m, by_measure in others.items() if r in by_measure},
                compared.deltas.get(r),
                compared.not_different.get(r),
                _gap(record, evidence.train.get(r), val.get(r)),
                noise.range.holds(sample.mean) if noise and r in on_reference_split else None,
            )
            for r, sample in rows.items()
        },
        contrasts=compared.contrasts,
        effects=tuple(effects.main_effects(grid, on_reference_split, rows, compared.contrasts)),
        interactions=tuple(effects.interactions(grid, on_reference_split, rows)),
        stability=selection_bootstrap.stability(record, parameters, val, selecting, selected),
        cochran=_cochran(rows, on_reference_split),
        detectable=power.detectable_share(discordant, n) if discordant else None,
        noise=noise,
        bootstrapped=bootstrapped,
        largest_power=power.mcnemar_power(discordant, discordant, n) if discordant else None,
        unpaired=_unpaired(rows, grid.reference),
        inference=inference,
        families=tuple(comparisons.families(grid, rows, others)),
        second_best=selection_bootstrap.second_best(record, parameters, selecting, selected),
    )


class _Compared(NamedTuple):
    """Comparisons of the rows on the reference's examples.

    `deltas`: row -> difference from the reference. `not_different`: row -> whether the row does not differ
    significantly from the selected row.
    """

    deltas: dict[int, Difference]
    not_different: dict[int, bool]
    contrasts: tuple[Contrast, ...]


def _compare(
    grid: Grid, rows: Rows, others: Mapping[str, Rows], selected: int | None, on_reference_split: Sequence[int]
) -> _Compared:
    """Return the comparisons with the reference, with the selected row, and of rows that differ in one factor.

    Args:
        grid: the study's grid.
        rows: row -> sample of the primary measure on test.
        others: further measure -> row -> sample.
        selected: number of the selected row; None where no row is selected.
        on_reference_split: rows on the reference's examples.
    """
    near_reference, pairs = differences.neighbours(rows, grid.reference), design.pairs(grid, on_reference_split)
    near_selected = differences.neighbours(rows, selected)
    compared_pairs = [(grid.reference, r) for r in near_reference] + [(p.first, p.second) for p in pairs]
    by_pair = differences.between(
        rows, compared_pairs + [(selected, r) for r in near_selected if selected], grid.margin, others
    )
    deltas = differences.adjusted([by_pair[grid.reference, r] for r in near_reference])
    adjusted = differences.adjusted([by_pair[p.first, p.second] for p in pairs])
    return _Compared(
        dict(zip(near_reference, deltas, strict=True)),
        differences.not_different(selected, near_selected, by_pair),
        tuple(Contrast(p, d) for p, d in zip(pairs, adjusted, strict=True)),
    )


def _unpaired(rows: Rows, reference: int) -> dict[int, Difference]:
    """Return row -> unpaired difference from the reference, for the rows on other test examples than the reference."""
    if reference not in rows:
        return {}
    apart = [row for row in rows if rows[row].split != rows[reference].split]
    corrected = differences.adjusted([unpaired(rows[reference], rows[row]) for row in apart])
    return dict(zip(apart, corrected, strict=True))


def _gap(record: Record, train: float | None, val: Sample | None) -> float | None:
    """Return train minus validation of a share; None for other measures, and where one of the two is missing."""
    if train is None or val is None or not record.primary.is_share:
        return None
    return train - val.mean


def _noise(replicates: Sample | None, rows: int = 1) -> Noise | None:
    """Return the range for one more training of each of `rows` rows that equal the reference."""
    if replicates is None or len(replicates.seeds) < 2:
        return None
    prediction = intervals.prediction_range(replicates.values, max(1, rows))
    values = tuple(map(float, replicates.values))
    return Noise(values, intervals.within(prediction, *replicates.bounds), max(1, rows))


def _cochran(test: Rows, rows: Sequence[int]) -> float | None:
    """Return Cochran's p value of no difference among the rows; None unless all have one seed and right or wrong
    examples."""
    samples = [test[r] for r in rows]
    if not rows or any(s.kind != BINARY or s.scores is None or len(s.seeds) > 1 or basis([s]).sizes for s in samples):
        return None
    return tests.cochran_q(np.array([s.scores[0] for s in samples if s.scores is not None]).T)


def _discordance(deltas: Sequence[Difference], test: Rows, rows: Sequence[int]) -> tuple[float, int]:
    """Return the rows' median share of examples discordant with the reference, and the number of examples.

    The share is 0 where no row was compared example by example.
    """
    discordant = [d.against.only_a + d.against.only_b for d in deltas if d.against]
    n = test[rows[0]].n if rows else 0
    return float(np.median(discordant)) / n if discordant else 0.0, n


def can_weigh(record: Record, finished: Collection[Trial]) -> bool:
    """Return whether importances are meaningful: enough distinct conditions, overall and for each level.

    Seeds and replicates repeat a condition, and do not count: they add no combination of levels.
    """
    counts = per_level(record, finished)
    return len({t.condition for t in finished}) >= CONDITIONS and min(counts.values(), default=0) >= CONDITIONS_A_LEVEL


def per_level(record: Record, finished: Collection[Trial]) -> Counter[tuple[str, object]]:
    """Return (varying factor, level) -> number of distinct conditions with that level among the finished trials."""
    conditions = dict.fromkeys(trial.condition for trial in finished)
    return Counter((f, getattr(condition, f)) for condition in conditions for f in record.grid.varying)
