"""Intervals over seeds and examples at once, and over groups of examples, against plain scipy and by simulation."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

from ablation.statistics import intervals, tests
from ablation.statistics.crossed import crossed_means, grouped_means
from ablation.statistics.groups import GroupSizes, example_counts, group_values

pytestmark = pytest.mark.unit


def studies(rng: np.random.Generator, n: int, shape: tuple[int, int], seed: float, example: float, residual: float):
    """Return differences without a mean, (n, S, N), with these standard deviations."""
    s, e = shape
    noise = rng.normal(0, seed, (n, s, 1)), rng.normal(0, example, (n, 1, e)), rng.normal(0, residual, (n, s, e))
    return sum(noise)


@pytest.mark.parametrize("deviations", [(0.05, 0.0, 0.0), (0.05, 0.5, 0.5), (0.0, 0.5, 0.5), (0.1, 0.5, 0.1)])
@pytest.mark.parametrize("shape", [(3, 60), (5, 300)])
def test_both_cover_what_each_alone_does_not(shape: tuple[int, int], deviations: tuple[float, float, float]):
    """The interval over seeds and examples covers the truth whichever of the two varies more."""
    drawn = studies(np.random.default_rng(0), 1_500, shape, *deviations)
    means = crossed_means(drawn)
    covered = np.mean([interval.holds() for interval in means.intervals()])
    assert covered > 0.95 - 4 * np.sqrt(0.05 * 0.95 / 1_500)
    assert covered == np.mean(means.p_values() >= intervals.ALPHA)


def test_seeds_alone_cover_too_little_where_examples_vary_more():
    """The t interval over seeds of the same studies is no interval for new examples."""
    drawn = studies(np.random.default_rng(0), 500, (3, 60), 0.0, 0.5, 0.1)
    over_seeds = np.mean([interval.holds() for interval in intervals.means(drawn.mean(axis=2))])
    assert over_seeds < 0.7
    assert np.mean([interval.holds() for interval in crossed_means(drawn).intervals()]) > 0.93


def test_without_example_variance_the_interval_is_students_t_over_seeds():
    """The interval is Student's t over seeds where all examples of a seed are equal."""
    values = np.repeat(np.array([[0.1, 0.3, 0.2, 0.7]]), 50, axis=0).T[None]
    (interval,), expected = crossed_means(values).intervals(), intervals.mean(np.array([0.1, 0.3, 0.2, 0.7]))
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert crossed_means(values).p_values()[0] == pytest.approx(stats.ttest_1samp(values[0].mean(axis=1), 0).pvalue)


def test_where_nothing_varies_there_is_no_interval():
    """Equal differences give no bounds; their p is 1 where they are 0, and missing otherwise."""
    for level, p in ((0.0, 1.0), (0.25, np.nan)):
        means = crossed_means(np.full((1, 3, 4), level))
        assert np.isnan([means.intervals()[0].low, means.intervals()[0].high]).all()
        assert means.p_values()[0] == pytest.approx(p, nan_ok=True)


def test_equal_groups_give_the_t_test_over_their_means():
    """Interval and p equal scipy's of the means of the groups."""
    rng = np.random.default_rng(3)
    values, groups = rng.normal(0.3, 1, (2, 40)), np.arange(40) % 8
    sizes = GroupSizes(np.bincount(groups))
    means = grouped_means(group_values(values, groups), sizes)
    group_means = np.stack([values[:, groups == g].mean(axis=1) for g in range(8)], axis=1)
    for interval, p, row in zip(means.intervals(), means.p_values(), group_means, strict=True):
        bounds = stats.ttest_1samp(row, 0).confidence_interval()
        assert (interval.low, interval.high) == pytest.approx((bounds.low, bounds.high))
        assert p == pytest.approx(stats.ttest_1samp(row, 0).pvalue)
    assert sizes.symmetric(group_values(values, groups)) == pytest.approx(group_means)


def test_unequal_groups_agree_with_cluster_robust_least_squares():
    """The interval of many groups of about equal size is that of statsmodels with groups as clusters."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(200), rng.integers(8, 12, 200))
    values = rng.normal(size=200)[groups] + rng.normal(size=len(groups))
    (interval,) = grouped_means(group_values(values[None], groups), GroupSizes(np.bincount(groups))).intervals()
    fit = OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    assert interval.value == pytest.approx(values.mean())
    assert (interval.low, interval.high) == pytest.approx(tuple(fit.conf_int()[0]), rel=0.01)


@pytest.mark.parametrize("n_groups", [6, 12, 40])
def test_groups_of_very_unequal_sizes_are_covered(n_groups: int):
    """The mean over examples is within the interval in 95 % of samples of groups."""
    rng, covered = np.random.default_rng(5), []
    for _ in range(800):
        groups = np.repeat(np.arange(n_groups), rng.integers(1, 60, n_groups))
        values = rng.normal(0, 0.5, n_groups)[groups] + rng.normal(size=len(groups))
        means = grouped_means(group_values(values[None], groups), GroupSizes(np.bincount(groups)))
        covered.append(means.intervals()[0].holds())
    assert np.mean(covered) > 0.935 - 2 * np.sqrt(0.05 * 0.95 / 800)


def test_a_sample_of_groups_takes_all_their_examples():
    """Each example occurs as often as its group."""
    assert example_counts(np.array([[2, 0, 1]]), np.array([0, 0, 1, 2])).tolist() == [[2, 2, 0, 1]]


def test_equivalence_needs_the_whole_interval_within_the_margin():
    """Two one-sided tests at 5 % are a 90 % interval within the margin."""
    drawn = studies(np.random.default_rng(6), 1, (5, 200), 0.01, 0.1, 0.1)
    means = crossed_means(drawn)
    reach = abs(means.means[0]) + means.half_widths(np.array([0.1]))[0]
    assert means.equivalent(1.01 * reach) == [True]
    assert means.equivalent(0.99 * reach) == [False]


def test_unpaired_differences_agree_with_scipy_and_statsmodels():
    """Welch's interval and test, and Agresti and Caffo's, which is conservative for paired rows."""
    a, b = np.array([0.61, 0.64, 0.6]), np.array([0.7, 0.74, 0.69, 0.71])
    result = stats.ttest_ind(b, a, equal_var=False)
    assert intervals.welch_p(a, b) == pytest.approx(result.pvalue)
    interval = intervals.welch(a, b)
    assert (interval.low, interval.high) == pytest.approx(tuple(result.confidence_interval()))
    counted = intervals.agresti_caffo((60, 100), (75, 100))  # two added successes and failures in each row
    difference, deviation = 76 / 102 - 61 / 102, np.sqrt(sum(p * (1 - p) / 102 for p in (76 / 102, 61 / 102)))
    reach = stats.norm.ppf(0.975) * deviation
    assert (counted.low, counted.high) == pytest.approx((difference - reach, difference + reach))
    assert counted.value == pytest.approx(0.15)
    assert tests.agresti_caffo_p((60, 100), (75, 100)) == pytest.approx(2 * stats.norm.sf(difference / deviation))


def test_shares_of_few_seeds_have_exact_bounds():
    """Three wins of three show little; a tie counts as half a win."""
    assert intervals.clopper_pearson(3, 3).low == pytest.approx(0.025 ** (1 / 3))
    assert intervals.clopper_pearson(3, 3).high == 1
    assert intervals.clopper_pearson(0, 5).low == 0
    assert intervals.clopper_pearson(2.5, 5).holds(0.5)


def test_a_range_for_several_trainings_holds_all_of_them():
    """The range for eight more trainings of the reference holds all of them in at least 19 studies of 20."""
    rng, inside = np.random.default_rng(7), []
    for _ in range(1_000):
        bounds = intervals.prediction_range(rng.normal(size=5), 8)
        inside.append(all(bounds.holds(value) for value in rng.normal(size=8)))
    assert np.mean(inside) > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 1_000)
