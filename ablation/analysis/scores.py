"""Scores of a row on test, with intervals over examples, over seeds, and over both."""

from dataclasses import replace

import numpy as np

from ablation.analysis.facts import SEEDS, Sample, Score
from ablation.analysis.units import CROSSED, DRAW, NOTHING, SCORE, TWO_WAY, WIDER, Basis, basis, intervals_of, measured
from ablation.analysis.unpaired import SETTINGS, clustered, has_clusters
from ablation.measures.measure import BINARY, REAL, SHARES
from ablation.statistics import bootstrap, intervals
from ablation.statistics.intervals import Interval
from ablation.study.table_keys import BOTH, EXAMPLES
from ablation.study.table_keys import SEEDS as SEEDS_ALONE


def score(sample: Sample) -> Score:
    """Return the score of a row, with its intervals over examples, over seeds, and over both."""
    units = basis([sample])
    if sample.clusters is not None:
        interval = _within(sample, clustered(sample).intervals()[0]) if has_clusters(sample) else None
        return Score(sample.mean, None, interval, None, SETTINGS if interval else "")
    enough_seeds = len(sample.seeds) >= SEEDS and not sample.by_fold  # a mean over folds has no interval
    over_seeds = _within(sample, intervals.of_scores(sample.values[None])[0]) if enough_seeds else None
    over_examples = None if sample.by_fold else _over_examples(sample)
    value = over_examples.value if over_examples else sample.mean
    is_missing = units.source == NOTHING and sample.uncertainty == BOTH and enough_seeds  # too few groups
    over_both = Interval(value, float("nan"), float("nan")) if is_missing else None
    if units.source in (CROSSED, TWO_WAY, WIDER):
        over_both = _over_units(sample, units)
    over = "" if sample.by_fold else units.over or (EXAMPLES if over_examples else "")
    is_counted = _is_counted(sample) and sample.groups is None
    return Score(value, over_examples, over_seeds, over_both, over, is_counted, units.drawn)


def _over_examples(sample: Sample) -> Interval | None:
    """Return the interval over examples, or over their groups. Wilson's for right and wrong examples of one seed;
    Student's t for scores, on the log odds for shares; the jackknife or bootstrap percentiles for an aggregate; None
    where there is nothing to compute one from."""
    units = basis([replace(sample, uncertainty=EXAMPLES)])
    if units.source == DRAW:
        assert sample.draws is not None
        return bootstrap.percentiles(np.array([sample.mean]), sample.draws.mean(axis=0)[None])[0]
    if sample.groups is not None and units.source == NOTHING:
        return None  # too few groups for an interval over them, and examples of a group are not independent
    if _is_counted(sample) and not units.sizes:
        return intervals.wilson(round(sample.mean * sample.n), sample.n)
    return _over_units(sample, units) if units.source == SCORE else None


def _over_units(sample: Sample, units: Basis) -> Interval:
    """Return the interval of a row's value over these units."""
    values = measured([sample], units)
    if units.source == CROSSED and _is_counted(sample) and not units.sizes:  # seeds that all agree add nothing
        return intervals.wilson(round(sample.mean * sample.n), sample.n)
    interval = intervals_of(values, np.array([sample.mean]), units, REAL)[0]
    if sample.pseudo is not None:
        return intervals.on_scale(interval, *sample.bounds)
    # Beside an interval over seeds, tables of version 0.1 hold the t interval, which verify computes again.
    is_beside = sample.legacy and sample.uncertainty == SEEDS_ALONE and units.source == SCORE and not units.sizes
    if sample.kind in SHARES and units.source in (SCORE, CROSSED) and not is_beside:
        n_units = values.shape[1] // units.seeds if units.source == CROSSED else values.shape[1]
        interval = intervals.of_share(interval, units.sizes.degrees if units.sizes else n_units - 1)
    return _within(sample, interval)


def _is_counted(sample: Sample) -> bool:
    """Return whether a row's value is a share of so many right examples: of one seed, or of seeds that all agree."""
    if sample.kind != BINARY or not sample.n:
        return False
    return len(sample.seeds) == 1 if sample.scores is None else bool(np.isin(sample.share, (0, 1)).all())


def _within(sample: Sample, interval: Interval) -> Interval:
    """Return the interval within the sample's bounds."""
    return intervals.within(interval, *sample.bounds)
