"""Units that rows are compared over: what a study asks for, and what its rows have."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats

from ablation.analysis import differences, scores
from ablation.analysis.facts import Sample
from ablation.analysis.units import basis
from ablation.analysis.unpaired import unpaired
from ablation.measures.measure import AGGREGATE, BINARY, BOUNDED, REAL, SCALAR
from ablation.statistics import intervals, tests
from ablation.statistics.crossed import crossed_means

pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings("error")]

N = 60
GROUPS = np.arange(N) % 10
EVERYTHING = (-np.inf, np.inf)
SHARE = (0.0, 1.0)


def scored(row: int, seeds: Sequence[int], uncertainty: str = "both", groups: np.ndarray | None = None) -> Sample:
    """A row with a score of each seed and example."""
    rng = np.random.default_rng(row)
    scores = 0.1 * row + np.random.default_rng(99).normal(size=N) + 0.5 * rng.normal(size=(len(seeds), N))
    bounds = EVERYTHING
    return Sample(
        "s", tuple(seeds), REAL, bounds, scores.mean(axis=1), N, scores, groups=groups, uncertainty=uncertainty
    )


def stated(values: Sequence[float], seeds: Sequence[int] | None = None, kind: str = SCALAR, n: int = 0) -> Sample:
    """A row that states a number for each seed, without examples."""
    bounds = SHARE if kind == BINARY else EVERYTHING
    return Sample("s", tuple(seeds or range(len(values))), kind, bounds, np.array(values), n)


def drawn(row: int, seeds: int) -> Sample:
    """A row of an aggregate, with draws of the bootstrap."""
    rng = np.random.default_rng(row)
    values = 0.5 + 0.05 * row + 0.01 * rng.normal(size=seeds)
    draws = values[:, None] + 0.02 * rng.normal(size=10_000).astype(np.float32)
    return Sample("s", tuple(range(seeds)), AGGREGATE, SHARE, values, N, draws=draws, uncertainty="both")


@pytest.mark.parametrize(
    ("sample", "over"),
    [
        (scored(1, (0, 1, 2)), "seeds and examples"),
        (scored(1, (0, 1, 2), "seeds"), "seeds"),
        (scored(1, (0, 1, 2), "examples"), "examples"),
        (scored(1, (0, 1)), "examples"),
        (scored(1, (0, 1, 2), groups=GROUPS), "seeds and groups"),
        (scored(1, (0,), groups=GROUPS), "groups"),
        (scored(1, (0,), groups=GROUPS % 5), ""),  # fewer than six groups have no interval
        (stated([0.1, 0.2, 0.3]), "seeds"),
        (replace(stated([0.1, 0.2, 0.3]), uncertainty="examples"), "seeds"),  # all that there is
        (stated([0.1, 0.2]), ""),
        (drawn(1, 3), "seeds or examples, the wider"),
        (drawn(1, 10), "seeds and examples"),
    ],
)  # fmt: skip
def test_the_units_are_those_asked_for_where_the_rows_have_them(sample: Sample, over: str):
    """Otherwise the rows are compared over what they have."""
    assert basis([sample]).over == over
    score = scores.score(sample)
    assert score.over == over
    assert score.value == pytest.approx(sample.mean)
    assert np.isnan(score.interval.low) == (over == "")


def test_both_at_once_are_crossed_random_effects():
    """The difference, its interval and p are those of the differences by seed and example."""
    rows = {1: scored(1, (0, 1, 2)), 2: scored(2, (0, 1, 2))}
    difference = differences.between(rows, [(1, 2)])[1, 2]
    assert rows[1].scores is not None
    assert rows[2].scores is not None
    expected = crossed_means((rows[2].scores - rows[1].scores)[None])
    assert (difference.value.low, difference.value.high) == (expected.intervals()[0].low, expected.intervals()[0].high)
    assert difference.value.value == pytest.approx(expected.means[0])
    assert difference.p == expected.p_values()[0]
    seeds, examples = (
        differences.between({r: replace(s, uncertainty=u) for r, s in rows.items()}, [(1, 2)])[1, 2].value
        for u in ("seeds", "examples")
    )
    widths = [value.high - value.low for value in (difference.value, seeds, examples)]
    assert widths[0] >= max(widths[1:]) - 1e-9


def test_groups_are_tested_by_their_means_and_by_sign_flips():
    """Groups of one size have the t test over their means; few groups have sign flips as well."""
    rows = {r: scored(r, (0,), groups=GROUPS) for r in (1, 2)}
    difference = differences.between(rows, [(1, 2)])[1, 2]
    means = [np.array([rows[r].share[g == GROUPS].mean() for g in range(10)]) for r in (1, 2)]
    assert difference.p == pytest.approx(stats.ttest_rel(means[1], means[0]).pvalue)
    assert difference.p_exact == pytest.approx(tests.sign_flip(means[0][None], means[1][None])[0])
    assert difference.over == "groups"
    assert difference.against is None


def test_an_aggregate_of_few_seeds_has_the_wider_interval_and_the_larger_p():
    """A two-way bootstrap of fewer than ten seeds covers too little, so neither seeds nor examples are left out."""
    rows = {r: drawn(r, 3) for r in (1, 2)}
    difference = differences.between(rows, [(1, 2)])[1, 2]
    over_seeds = differences.between({r: replace(s, uncertainty="seeds") for r, s in rows.items()}, [(1, 2)])[1, 2]
    over_examples = differences.between({r: replace(s, uncertainty="examples") for r, s in rows.items()}, [(1, 2)])[
        1, 2
    ]
    assert difference.p == max(over_seeds.p, over_examples.p)
    widths = [d.value.high - d.value.low for d in (difference, over_seeds, over_examples)]
    assert widths[0] == pytest.approx(max(widths[1:]))


def test_numbers_of_other_seeds_are_compared_by_welch():
    """Rows without a common seed are not paired."""
    a, b = stated([0.1, 0.2, 0.15], (0, 1, 2)), stated([0.4, 0.3, 0.5, 0.45], (3, 4, 5, 6))
    difference = differences.between({1: a, 2: b}, [(1, 2)])[1, 2]
    assert difference.over == "seeds, unpaired"
    assert difference.p == pytest.approx(stats.ttest_ind(b.values, a.values, equal_var=False).pvalue)


def test_a_share_of_known_examples_has_wilsons_interval_and_an_unpaired_test():
    """One number and the size of its test set are evidence, if less than paired examples."""
    a, b = stated([0.8], kind=BINARY, n=200), stated([0.9], kind=BINARY, n=200)
    assert scores.score(a).interval == intervals.wilson(160, 200)
    difference = unpaired(a, b)
    assert (difference.over, difference.p) == (
        "examples, unpaired", tests.agresti_caffo_p((160, 200), (180, 200))
    )  # fmt: skip
    assert differences.between({1: a, 2: b}, [(1, 2)])[1, 2] == difference


def answers(shares: Sequence[float], uncertainty: str = "both", groups: np.ndarray | None = None) -> Sample:
    """A row of right and wrong answers: of each seed, the first examples are right, as many as its share says."""
    right = np.stack([np.arange(N) < share * N for share in shares])
    means, seeds = right.mean(axis=1), tuple(range(len(shares)))
    return Sample("s", seeds, BINARY, SHARE, means, N, right, groups=groups, uncertainty=uncertainty)


@pytest.mark.parametrize(
    "sample",
    [answers([0.9], groups=np.arange(N) // 6), answers([0.9, 0.95, 0.8]), answers([0.9, 0.95, 0.8], "examples")],
)  # fmt: skip
def test_shares_have_intervals_on_the_log_odds(sample: Sample):
    """The interval reaches as far on either side on the log odds as the t interval does, and stays within 0 and 1."""
    interval = scores.score(sample).interval
    t = scores.score(replace(sample, kind=REAL, bounds=EVERYTHING)).interval
    center, slope = special.logit(t.value), 1 / (t.value * (1 - t.value))
    distance = (t.high - t.value) * slope
    assert special.logit([interval.low, interval.high]) == pytest.approx([center - distance, center + distance])
    assert 0 < interval.low < t.low
    assert interval.high < 1


def test_groups_that_are_all_right_have_wilsons_interval_of_as_many_examples():
    """Wilson's interval counts groups, with the quantile of t: within a group, all answers might have one cause."""
    interval = scores.score(answers([1.0], groups=np.arange(N) % 10)).interval
    quantile = stats.t.ppf(0.975, 9)
    assert (interval.value, interval.high) == (1, 1)
    assert interval.low == pytest.approx(10 / (10 + quantile**2))


def test_seeds_that_all_agree_are_as_one():
    """The interval over seeds and examples is then that over examples."""
    score = scores.score(answers([0.9, 0.9, 0.9]))
    assert score.interval == score.over_examples == intervals.wilson(54, 60)


def test_beside_an_interval_over_seeds_that_over_examples_is_students_t():
    """Tables of version 0.1 hold it."""
    sample = replace(answers([0.9, 0.95, 0.8], "seeds"), legacy=True)
    assert scores.score(sample).over_examples == intervals.mean(sample.share)


def test_a_single_number_has_neither_interval_nor_p():
    """A difference of two single numbers has neither an interval nor a p value."""
    difference = differences.between({1: stated([0.8]), 2: stated([0.9])}, [(1, 2)])[1, 2]
    assert np.isnan([difference.value.low, difference.p]).all()
    assert difference.over == ""


def test_rows_with_too_few_common_seeds_have_no_p_over_both():
    """A test over examples of their two common seeds would claim something else, over seeds alone too. Tables of the
    Keras experiment keep it, and name its units."""
    a, b = scored(1, (0, 1, 2)), scored(2, (0, 1))
    difference = differences.between({1: a, 2: b}, [(1, 2)])[1, 2]
    assert (difference.over, np.isnan([difference.p, difference.value.low]).all()) == ("", True)
    assert difference.value.value == pytest.approx(b.mean - a.only((0, 1)).mean)
    of_seeds = {row: replace(sample, uncertainty="seeds") for row, sample in ((1, a), (2, b))}
    assert differences.between(of_seeds, [(1, 2)])[1, 2].over == ""
    legacy = {row: replace(sample, legacy=True) for row, sample in of_seeds.items()}
    assert differences.between(legacy, [(1, 2)])[1, 2].over == "examples"


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_rows_of_other_seeds_are_paired_by_example_alone(groups: np.ndarray | None):
    """The seeds' variances are added to that of the paired differences of examples; over seeds alone, the test is
    Welch's."""
    a, b = scored(1, (0, 1, 2), groups=groups), scored(2, (3, 4, 5, 6), groups=groups)
    difference = differences.between({1: a, 2: b}, [(1, 2)])[1, 2]
    assert difference.over == f"seeds and {'examples' if groups is None else 'groups'} of other seeds"
    assert difference.value.low < difference.value.value < difference.value.high
    assert (difference.p < 0.05) == (not difference.value.holds())
    of_seeds = {1: replace(a, uncertainty="seeds"), 2: replace(b, uncertainty="seeds")}
    over_seeds = differences.between(of_seeds, [(1, 2)])[1, 2]
    assert over_seeds.p == pytest.approx(stats.ttest_ind(b.values, a.values, equal_var=False).pvalue)
    assert over_seeds.over == "seeds, unpaired"
    paired = stats.ttest_1samp(b.share - a.share, 0).confidence_interval()
    widths = [difference.value.high - difference.value.low, over_seeds.value.high - over_seeds.value.low]
    assert widths[0] >= widths[1] - 1e-9
    assert groups is not None or widths[0] >= paired.high - paired.low


def test_rows_of_common_other_and_too_few_seeds_stand_in_one_family():
    """Each row is compared as its seeds allow."""
    rows = {1: scored(1, (0, 1, 2)), 2: scored(2, (0, 1, 2)), 3: scored(3, (3, 4, 5)), 4: scored(4, (0,))}
    by_pair = differences.between(rows, [(1, row) for row in (2, 3, 4)])
    overs = [difference.over for difference in by_pair.values()]
    assert overs == ["seeds and examples", "seeds and examples of other seeds", ""]
    adjusted = differences.adjusted(list(by_pair.values()))
    assert [np.isnan(difference.p_holm) for difference in adjusted] == [False, False, True]


def test_the_mean_of_repeated_answers_stays_within_its_range():
    """Scores 0, 1/3, 2/3 and 1: the interval is formed on the log odds, whichever uncertainty is asked for."""
    scores_of = np.r_[np.ones(N - 2), 2 / 3, 1 / 3][None]
    for uncertainty in ("both", "seeds", "examples"):
        sample = Sample("s", (0,), BOUNDED, SHARE, scores_of.mean(axis=1), N, scores_of, uncertainty=uncertainty)
        interval = scores.score(sample).interval
        assert 0 < interval.low < interval.value < interval.high < 1
        assert intervals.mean(scores_of[0]).high > 1


def test_wins_are_counted_from_five_seeds_on():
    """Ties are half a win."""
    a, b = stated([0.1, 0.2, 0.3, 0.4, 0.5]), stated([0.2, 0.3, 0.4, 0.4, 0.4])
    assert differences.between({1: a, 2: b}, [(1, 2)])[1, 2].wins == (3.5, 5)
    few = {1: a.only((0, 1, 2, 3)), 2: b.only((0, 1, 2, 3))}
    assert differences.between(few, [(1, 2)])[1, 2].wins is None


def test_equal_seeds_have_no_bracket():
    """Five seeds with one and the same number would claim certainty."""
    score = scores.score(stated([0.7] * 5))
    assert score.value == pytest.approx(0.7)
    assert np.isnan([score.interval.low, score.interval.high]).all()
