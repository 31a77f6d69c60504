"""Scores of a row on test, with intervals over examples, over seeds, and over both."""

from dataclasses import replace

import numpy as np

from ablation.analysis.facts import SEEDS, Sample, Score
from ablation.analysis.units import CROSSED, DRAW, NOTHING, SCORE, TWO_WAY, WIDER, basis, intervals_of, measured
from ablation.measures.measure import BINARY
from ablation.statistics import bootstrap, intervals
from ablation.statistics.intervals import Interval
from ablation.study.table_keys import BOTH, EXAMPLES


def score(sample: Sample) -> Score:
    """Return the score of a row, with its intervals over examples, over seeds, and over both."""
    units = basis([sample])
    enough_seeds = len(sample.seeds) >= SEEDS
    over_seeds = _within(sample, intervals.of_scores(sample.values[None])[0]) if enough_seeds else None
    over_examples = _over_examples(sample)
    value = over_examples.value if over_examples else sample.mean
    is_missing = units.source == NOTHING and sample.uncertainty == BOTH and enough_seeds  # too few groups
    over_both = Interval(value, float("nan"), float("nan")) if is_missing else None
    if units.source in (CROSSED, TWO_WAY, WIDER):
        both = intervals_of(measured([sample], units), np.array([value]), units, sample.kind)[0]
        over_both = _within(sample, both)
    over = units.over or (EXAMPLES if over_examples else "")
    return Score(value, over_examples, over_seeds, over_both, over, _is_counted(sample) and sample.groups is None)


def _over_examples(sample: Sample) -> Interval | None:
    """Return the interval over examples, or over their groups. Wilson's for right and wrong examples of one seed;
    Student's t for scores; bootstrap percentiles for an aggregate; None where there is nothing to compute one from."""
    units = basis([replace(sample, uncertainty=EXAMPLES)])
    if units.source == DRAW:
        assert sample.draws is not None
        return bootstrap.percentiles(np.array([sample.mean]), sample.draws.mean(axis=0)[None])[0]
    if _is_counted(sample) and not units.sizes:
        return intervals.wilson(round(sample.mean * sample.n), sample.n)
    if units.source != SCORE:
        return None
    values = measured([sample], units)
    if units.sizes:
        return _within(sample, intervals_of(values, np.array([sample.mean]), units, sample.kind)[0])
    return _within(sample, intervals.of_scores(values)[0])


def _is_counted(sample: Sample) -> bool:
    """Return whether a row's value is a share of so many right examples: of one seed, or of seeds that all agree."""
    if sample.kind != BINARY or not sample.n:
        return False
    return len(sample.seeds) == 1 if sample.scores is None else bool(np.isin(sample.share, (0, 1)).all())


def _within(sample: Sample, interval: Interval) -> Interval:
    """Return the interval within the sample's bounds."""
    return intervals.within(interval, *sample.bounds)
