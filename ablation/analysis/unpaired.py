"""Differences of two rows that share neither seeds nor examples: unpaired intervals and tests."""

import numpy as np

from ablation.analysis.facts import SEEDS, Difference, Sample
from ablation.analysis.units import CROSSED, basis, of_seeds
from ablation.measures.measure import BINARY
from ablation.statistics import intervals, tests
from ablation.statistics.crossed import ComponentMeans, grouped_means, means_of_own_seeds
from ablation.statistics.groups import FEWEST, GroupSizes, group_values
from ablation.statistics.intervals import Counts, Interval
from ablation.study.table_keys import BOTH

OVER_SEEDS, OVER_EXAMPLES = "seeds, unpaired", "examples, unpaired"
OVER_SETTINGS = "settings, unpaired"
OTHER_SEEDS = " of other seeds"  # behind the units of rows that are paired by example alone
SETTINGS = "settings"  # units where the trainings of a row repeat different settings


def unpaired(a: Sample, b: Sample) -> Difference:
    """Return the difference b - a of two rows, as if trained and tested independently.

    On the same examples, where both seeds and examples are to be covered, crossed random effects of independent seeds.
    Otherwise, with at least three seeds each, Welch's t over seeds; otherwise, for shares of a known number of
    examples, Agresti & Caffo's interval and test; otherwise Welch's t over the scores of examples. Without any of
    these, the difference has neither bounds nor p.
    """
    difference = b.mean - a.mean
    if a.clusters is not None and b.clusters is not None:
        return _of_clusters(a, b)
    if a.uncertainty == BOTH and a.split == b.split and basis([a]).source == basis([b]).source == CROSSED:
        return _over_both(a, b)
    if min(len(a.seeds), len(b.seeds)) >= SEEDS:
        return _welch(a, b, a.values, b.values, OVER_SEEDS)
    if a.kind == BINARY and a.n and b.n and a.groups is None and b.groups is None:
        first, second = _counts(a), _counts(b)
        interval, p = intervals.agresti_caffo(first, second), tests.agresti_caffo_p(first, second)
        return Difference(Interval(difference, interval.low, interval.high), {}, OVER_EXAMPLES, p)
    if a.scores is not None and b.scores is not None and a.groups is None and b.groups is None:
        return _welch(a, b, a.share.astype(float), b.share.astype(float), OVER_EXAMPLES)
    return Difference(Interval(difference, float("nan"), float("nan")), {}, "", float("nan"))


def _welch(a: Sample, b: Sample, first: np.ndarray, second: np.ndarray, over: str) -> Difference:
    """Return the difference by Welch's t over these values, (N,) and (M,)."""
    interval = intervals.within(intervals.welch(first, second), -a.reach, a.reach)
    return Difference(interval, {}, over, intervals.welch_p(first, second))


def _over_both(a: Sample, b: Sample) -> Difference:
    """Return the difference of two rows of other seeds on the same examples, over seeds and examples."""
    units = basis([a])
    means = means_of_own_seeds(of_seeds(a), of_seeds(b), units.sizes)
    (interval,) = means.intervals()
    bounds = intervals.within(Interval(b.mean - a.mean, interval.low, interval.high), -a.reach, a.reach)
    return Difference(bounds, {}, f"{units.over}{OTHER_SEEDS}", float(means.p_values()[0]))


def has_clusters(sample: Sample) -> bool:
    """Return whether the trainings of a row are repeats of enough different settings for an interval."""
    return sample.clusters is not None and int(sample.clusters.max()) + 1 >= FEWEST


def clustered(sample: Sample) -> ComponentMeans:
    """Return the mean over trainings, whose variance is that between the settings that they repeat."""
    assert sample.clusters is not None
    return grouped_means(group_values(sample.values[None], sample.clusters), GroupSizes(np.bincount(sample.clusters)))


def _of_clusters(a: Sample, b: Sample) -> Difference:
    """Return the difference of two rows whose trainings repeat different settings, with Welch's degrees of freedom."""
    difference = b.mean - a.mean
    if not has_clusters(a) or not has_clusters(b):
        return Difference(Interval(difference, float("nan"), float("nan")), {}, "", float("nan"))
    parts = [clustered(a), clustered(b)]
    low, high, p = intervals.welch_of_variances(
        difference, [float(part.variances[0, 0]) for part in parts], [float(part.degrees[0]) for part in parts]
    )
    interval = intervals.within(Interval(difference, low, high), -a.reach, a.reach)
    return Difference(interval, {}, OVER_SETTINGS, p)


def _counts(sample: Sample) -> Counts:
    """Return the number of correct examples, of the mean over seeds, and of all examples."""
    return round(sample.mean * sample.n), sample.n
