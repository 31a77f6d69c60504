"""What the numbers of a study say: how sure each row is, how rows differ, what a factor does, what selection is worth.

Everything that a table or figure prints beyond the scores themselves is computed here, from scores of examples.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ablation.grids import design
from ablation.grids.grid import Trial
from ablation.grids.record import Record
from ablation.measures.measure import BINARY
from ablation.statistics import comparison, differences, effects, stability
from ablation.statistics.comparison import Interval
from ablation.statistics.differences import Rows
from ablation.statistics.facts import SEEDS, Analysis, Contrast, Difference, Noise, RowFacts, Sample, Score

TRIALS, TRIALS_A_LEVEL = 50, 5  # from so many on, a factor's importance is more than luck
FEW_EXAMPLES = 10  # with fewer, no power is computed


def analyse(
    record: Record,
    train: Mapping[int, float],
    parameters: Mapping[int, int],
    val: Mapping[str, Rows],
    test: Mapping[str, Rows],
    replicates: Sample | None,
    selected: int | None,
    bootstrapped: bool,
) -> Analysis:
    """Everything that can be said of a study.

    Args:
        train: row -> primary measure, of the rows of which it is known.
        parameters: row -> how many it trains.
        val: measure -> what each row scored on validation.
        test: the same on test, of the measures that have intervals; their rows are empty until a selection is sealed.
        replicates: the reference with other seeds, by the primary measure on test.
        selected: the row that validation selected.
        bootstrapped: whether samples were drawn for aggregates.
    """
    grid, name = record.grid, record.primary.name
    rows, others = test[name], {m: rows for m, rows in test.items() if m != name}
    same = sorted(r for r in rows if rows[r].split == record.home)
    near, pairs = differences.neighbours(rows, grid.reference), design.pairs(grid, same)
    beside = differences.neighbours(rows, selected)
    wanted = [(grid.reference, r) for r in near] + [(p.first, p.second) for p in pairs]
    found = differences.between(rows, wanted + [(selected, r) for r in beside if selected], grid.margin, others)
    deltas = differences.adjusted([found[grid.reference, r] for r in near])
    by_row = dict(zip(near, deltas, strict=True))
    alike = differences.alike(selected, beside, found)
    noise = _noise(replicates)
    adjusted = differences.adjusted([found[p.first, p.second] for p in pairs])
    contrasts = tuple(Contrast(p, d) for p, d in zip(pairs, adjusted, strict=True))
    selecting = record.selected_by.name if record.selected_by else name
    return Analysis(
        rows={
            r: RowFacts(
                r,
                len(sample.seeds),
                _score(sample),
                {m: _score(each[r]) for m, each in others.items() if r in each},
                by_row.get(r),
                alike.get(r),
                _gap(record, train.get(r), val[name].get(r)),
                noise.range.holds(sample.mean) if noise and r in same else None,
            )
            for r, sample in rows.items()
        },
        contrasts=contrasts,
        effects=tuple(effects.mains(grid, same, rows, contrasts)),
        interactions=tuple(effects.interactions(grid, same, rows)),
        stability=stability.stability(record, parameters, val[name], val.get(selecting, val[name]), selected),
        cochran=_cochran(rows, same),
        detectable=_detectable(deltas, rows, same),
        noise=noise,
        bootstrapped=bootstrapped,
    )


def _score(sample: Sample) -> Score:
    many = len(sample.seeds) >= SEEDS
    over_seeds = _over_units(sample, sample.values) if many else None
    over_examples = _over_examples(sample)
    return Score(over_examples.value if over_examples else sample.mean, over_examples, over_seeds)


def _over_examples(sample: Sample) -> Interval | None:
    """Wilson's of right and wrong ones, as they are with one seed; Student's t over scores; the bootstrap's percentiles
    of an aggregate; None where there is nothing to take it from."""
    if sample.scores is None:
        drawn = sample.draws
        return None if drawn is None else comparison.percentiles(np.array([sample.mean]), drawn.mean(axis=0)[None])[0]
    if sample.kind == BINARY and np.isin(sample.share, (0, 1)).all():
        return comparison.wilson(int(sample.share.sum()), sample.n)
    return _over_units(sample, sample.share.astype(float))


def _over_units(sample: Sample, values: np.ndarray) -> Interval:
    """Over examples or seeds: `values` (N,)."""
    return comparison.within(differences.over_units(values[None], sample.kind)[0], *sample.bounds)


def _gap(record: Record, train: float | None, val: Sample | None) -> float | None:
    """How much higher a share is on train than on validation."""
    if train is None or val is None or not record.primary.is_share:
        return None
    return train - val.mean


def _noise(replicates: Sample | None) -> Noise | None:
    """Where one more training of the reference would fall, by Student's t for a single new observation."""
    if replicates is None or len(replicates.seeds) < 2:
        return None
    found = comparison.mean(replicates.values)
    reach = (found.high - found.value) * np.sqrt(len(replicates.seeds) + 1)  # t s / sqrt(N) to t s sqrt(1 + 1/N)
    return Noise(
        tuple(map(float, replicates.values)),
        comparison.within(Interval(found.value, found.value - reach, found.value + reach), *replicates.bounds),
    )


def _cochran(test: Rows, rows: Sequence[int]) -> float | None:
    samples = [test[r] for r in rows]
    if not rows or any(s.kind != BINARY or s.scores is None or len(s.seeds) > 1 for s in samples):
        return None
    return comparison.cochran(np.array([s.scores[0] for s in samples if s.scores is not None]).T)


def _detectable(deltas: Sequence[Difference], test: Rows, rows: Sequence[int]) -> float | None:
    """With the discordance that the rows have with the reference in the middle of them."""
    found = [d.against.only_a + d.against.only_b for d in deltas if d.against]
    n = test[rows[0]].n if rows else 0
    middle = float(np.median(found)) / n if found else 0.0
    return comparison.detectable(middle, n) if middle and n >= FEW_EXAMPLES else None


def can_weigh(record: Record, finished: Collection[Trial]) -> bool:
    """Whether importances mean something: enough trials, and of each level enough."""
    counts = Counter((f, getattr(t.condition, f)) for t in finished for f in record.grid.varying)
    return len(finished) >= TRIALS and min(counts.values(), default=0) >= TRIALS_A_LEVEL
