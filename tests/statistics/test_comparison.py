"""The statistics: right on simulated studies, and equal to a second implementation where one exists.

An interval of 95 % is asked to cover 93.5 to 96.5 % of STUDIES = 4,000 simulated studies: the Monte-Carlo error of a
share of 95 % is then 0.34 points, so the bounds are more than four of it away, and an interval that is wrong by two
points or more cannot pass. Seeds are fixed. Where all outcomes can be listed, coverage is computed without simulation.
"""

import gc
from itertools import combinations, permutations

import numpy as np
import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from ablation.analysis import study_statistics
from ablation.measures import classes
from ablation.statistics import bootstrap, intervals, linear_models, power, rank_agreement, tests
from ablation.statistics.intervals import Interval

pytestmark = [
    pytest.mark.unit,
    pytest.mark.filterwarnings("error"),
]  # numpy's and statsmodels' would stand in a user's terminal

STUDIES = 4_000
RIGHT = st.lists(st.booleans(), min_size=1, max_size=60)


def covered(intervals: list[Interval], truth: float) -> float:
    return float(np.mean([interval.low <= truth <= interval.high for interval in intervals]))


def fair(coverage: float) -> bool:
    return 0.935 <= coverage <= 0.965


def alike(rng: np.random.Generator, shares: list[float], *shape: int, agreement: float = 0.9) -> list[np.ndarray]:
    """Return which images are right, for rows with these accuracies that mostly agree; a row has `shape`."""
    hard = rng.normal(size=shape)
    own = [agreement * hard + np.sqrt(1 - agreement**2) * rng.normal(size=shape) for _ in shares]
    return [scores < stats.norm.ppf(share) for scores, share in zip(own, shares, strict=True)]


# Over images, one row


@pytest.mark.parametrize(("n", "share"), [(200, 0.5), (500, 0.9), (1000, 0.95), (5431, 0.941)])
def test_wilson_covers(n: int, share: float):
    """An accuracy's interval holds the truth in 95 % of test sets: computed over all numbers of right images."""
    likely = np.arange(*(int(stats.binom.ppf(q, n, share)) for q in (1e-6, 1 - 1e-6)))
    holds = [intervals.wilson(int(k), n).holds(share) for k in likely]
    assert fair(float(stats.binom.pmf(likely, n, share)[holds].sum()))


@given(RIGHT)
def test_wilson_is_scipys(right: list[bool]):
    """Both libraries give the same interval, at 0 and N right ones too."""
    interval = intervals.wilson(sum(right), len(right))
    expected = stats.binomtest(sum(right), len(right)).proportion_ci(method="wilson")
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert interval.holds(interval.value)


def test_an_accuracy_needs_an_image():
    """An accuracy of no images is refused."""
    with pytest.raises(ValueError, match="at least one example"):
        intervals.wilson(0, 0)


# Over seeds


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_a_mean_over_seeds_covers(seeds: int):
    """The interval over seeds holds the recipe's mean in 95 % of studies, with three seeds too."""
    values = np.random.default_rng(0).normal(0.94, 0.01, (STUDIES, seeds))
    assert fair(covered(intervals.means(values), 0.94))


def test_a_mean_is_the_t_interval_of_both_libraries():
    """scipy and statsmodels give the same bounds."""
    values = np.random.default_rng(0).normal(0.94, 0.01, 5)
    interval = intervals.mean(values)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx(tuple(theirs), rel=1e-12)
    assert (interval.low, interval.high) == pytest.approx(DescrStatsW(values).tconfint_mean(), rel=1e-12)


def test_one_seed_has_no_bounds():
    """A spread cannot be seen in one value."""
    interval = intervals.mean(np.array([0.9]))
    assert interval.value == 0.9
    assert np.isnan([interval.low, interval.high]).all()
    assert not interval.holds(0.9)


def test_a_paired_difference_over_seeds_is_statsmodels():
    """The t interval and the t test of the differences, seed by seed."""
    a, b = np.random.default_rng(0).normal(0.94, 0.01, (2, 7))
    interval, theirs = intervals.paired(a[None], b[None])[0], DescrStatsW(b - a)
    assert (interval.low, interval.high) == pytest.approx(theirs.tconfint_mean(), rel=1e-10)
    assert tests.paired_p(a[None], b[None]) == pytest.approx([theirs.ttest_mean(0)[1]], rel=1e-10)


def test_sign_flips_are_scipys_permutation_test():
    """All flips of the signs of a few differences, two-sided."""
    a, b = np.random.default_rng(0).normal(0.94, 0.01, (2, 20, 6))
    theirs = [
        stats.permutation_test((y - x,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True)
        for x, y in zip(a, b + 0.01, strict=True)
    ]
    assert tests.sign_flip(a, b + 0.01) == pytest.approx([result.pvalue for result in theirs])


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=8))
def test_no_sign_flip_test_says_more_than_its_seeds_allow(points: list[int]):
    """p is never below 2 / 2^S, and it is that where all seeds agree."""
    difference = np.array([points]) / 100
    p = tests.sign_flip(0 * difference, difference)[0]
    assert tests.smallest_attainable_p(len(points)) <= p <= 1
    if all(d > 0 for d in points):
        assert p == tests.smallest_attainable_p(len(points))


def test_many_seeds_are_flipped_at_random():
    """2^40 flips would never end: so many as are drawn say nearly what the t test says."""
    a, b = np.random.default_rng(0).normal(0, 1, (2, 1, 40))
    b = b + 0.4
    assert tests.sign_flip(a, b) == pytest.approx(tests.paired_p(a, b), abs=0.02)


def test_smallest_p():
    """Five seeds cannot go below 0.0625; one cannot say anything."""
    assert [tests.smallest_attainable_p(s) for s in (1, 2, 5, 9)] == [1.0, 0.5, 0.0625, 2 / 512]


def test_the_same_difference_in_all_seeds_is_no_certainty():
    """Three seeds of a small test set can differ by the very same number of images: p is the sign-flip test's."""
    a = np.array([[0.90, 0.91, 0.92], [0.90, 0.91, 0.92]])
    assert tests.paired_p(a, a + np.array([[0.01], [0.0]])) == [0.25, 1.0]


# Over images, two rows


@pytest.mark.parametrize("shares", [(0.9, 0.9), (0.94, 0.96), (0.6, 0.55)])
def test_a_paired_difference_over_images_covers(shares: tuple[float, float]):
    """The interval of a difference on the same images holds the truth in 95 % of test sets."""
    a, b = alike(np.random.default_rng(0), list(shares), STUDIES, 500)
    assert fair(covered(intervals.bonett_price(a, b), shares[1] - shares[0]))


def test_few_discordant_images_do_not_narrow_the_interval():
    """Rows that disagree on two images of a hundred: the plain t interval holds the truth in 86 % of test sets (it has
    no width wherever they happen to agree on all), the two images more bring it to 95 % or above."""
    one_wrong = np.random.default_rng(0).random((STUDIES, 100)) < 0.02
    a, b = np.ones_like(one_wrong), ~one_wrong
    assert covered(intervals.paired(a, b), -0.02) < 0.9
    assert covered(intervals.bonett_price(a, b), -0.02) > 0.935


def test_a_paired_difference_over_images_is_statsmodels_with_two_more_images():
    """The t interval, after one image for each side; with thousands of images it is the plain one."""
    a, b = alike(np.random.default_rng(0), [0.94, 0.96], 1, 5431)
    interval, plain = intervals.bonett_price(a, b)[0], intervals.paired(a, b)[0]
    expected = DescrStatsW(np.append(b[0].astype(float) - a[0], [1, -1])).tconfint_mean()
    assert (interval.low, interval.high) == pytest.approx(expected, rel=1e-10)
    assert interval.value == plain.value
    assert (interval.low, interval.high) == pytest.approx((plain.low, plain.high), abs=1e-4)


def test_paired_intervals_are_narrower_where_rows_agree():
    """Knowing that both saw the same images is worth much: the unpaired interval is a third wider and more."""
    a, b = alike(np.random.default_rng(0), [0.94, 0.95], 1, 5431)
    paired = intervals.bonett_price(a, b)[0]
    unpaired = intervals.newcombe(float(b.mean()), float(a.mean()), 5431, 5431)
    assert unpaired.high - unpaired.low > 1.33 * (paired.high - paired.low)


def test_differences_are_possible_ones():
    """An interval of few images ends at the largest possible difference."""
    one, wrong, right = np.ones((1, 1)), np.zeros((1, 10)), np.ones((1, 10))
    assert intervals.bonett_price(one, one) == [intervals.Interval(0.0, -1.0, 1.0)]
    assert intervals.bonett_price(wrong, right)[0].high == 1.0
    assert np.isnan(intervals.paired(one, one)[0].low)


def test_identical_rows_do_not_differ():
    """A difference of 0, p = 1, and an interval as narrow as their agreement on so many images allows."""
    right = np.random.default_rng(0).random((1, 5431)) < 0.9
    interval = intervals.bonett_price(right, right)[0]
    assert interval.value == 0
    assert interval.high == pytest.approx(-interval.low)
    assert 0 < interval.high < 0.001
    assert tests.paired_p(right, right) == [1.0]
    assert tests.discordance(right[0], right[0]) == tests.Discordance(0, 0, 1.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_the_binomial_test(pairs: list[tuple[bool, bool]]):
    """An image that only one row got right is as likely to be the one row's as the other's."""
    a, b = np.array(pairs).T
    result = tests.discordance(a, b)
    assert (result.only_a, result.only_b) == (sum(x > y for x, y in pairs), sum(y > x for x, y in pairs))
    n = result.only_a + result.only_b
    assert result.p == pytest.approx(stats.binomtest(result.only_a, n).pvalue if n else 1.0)
    assert tests.discordance(b, a).p == result.p


def test_equivalence_is_two_one_sided_tests():
    """statsmodels' p, below 5 %; over images with the two more."""
    a, b = alike(np.random.default_rng(0), [0.9, 0.9], 40, 300, agreement=0.99)
    verdicts = tests.equivalent(a, b, 0.03)
    more = np.tile([1.0, 0.0], (40, 1))
    a, b = np.hstack([a, more]), np.hstack([b, 1 - more])
    assert verdicts == [ttost_paired(y, x, -0.03, 0.03)[0] < 0.05 for x, y in zip(a, b, strict=True)]
    assert 0 < sum(verdicts) < 40


def test_rows_that_differ_by_the_margin_are_seldom_called_equivalent():
    """The test errs at the boundary in 5 % of studies at most (its Monte-Carlo error is 0.5 points)."""
    a, b = alike(np.random.default_rng(0), [0.92, 0.90], 2_000, 2_000)
    assert 0.035 < np.mean(tests.equivalent(a, b, 0.02)) <= 0.065


def test_what_a_test_set_can_show():
    """A difference of the detectable size is found in 80 % of test sets."""
    n, discordant = 2_000, 0.1
    size = power.paired_t_detectable(discordant**0.5, n)
    only_a, only_b = (discordant - size) / 2, (discordant + size) / 2
    drawn = np.random.default_rng(0).choice(3, (1_000, n), p=[only_a, only_b, 1 - discordant])
    rejected = [tests.discordance(answers == 0, answers == 1).p < 0.05 for answers in drawn]
    assert np.mean(rejected) == pytest.approx(0.8, abs=0.04)  # three times the Monte-Carlo error of 1.3 points


# Many rows


def test_holm_counted_by_hand():
    """The smallest p times the number of tests, the next times one fewer, never falling; a nan does not count."""
    assert tests.holm([0.01, float("nan"), 0.04, 0.03]) == pytest.approx([0.03, float("nan"), 0.06, 0.06], nan_ok=True)
    assert tests.holm([]) == []
    assert tests.holm([0.9, 0.8]) == [1.0, 1.0]


def test_holm_keeps_the_errors_of_a_family(monkeypatch: pytest.MonkeyPatch):
    """Studies whose eight rows are all as good as the reference call any of them different in 5.5 % at most.

    In 2,000 studies the Monte-Carlo error is 0.5 points; without Holm it would be 15 % and more.
    """
    monkeypatch.setattr(gc, "collect", lambda: 0)  # statsmodels does so in each call, and here are thousands
    rng, errors, plain = np.random.default_rng(0), 0, 0
    for _ in range(2_000):
        reference, *rows = alike(rng, [0.9] * 9, 1_000)
        p = [tests.discordance(reference, row).p for row in rows]
        errors += min(tests.holm(p)) < 0.05
        plain += min(p) < 0.05
    assert 0.01 < errors / 2_000 <= 0.055
    assert plain / 2_000 > 0.15


def test_cochrans_q_is_its_formula():
    """(k - 1) (k sum G^2 - T^2) / (k T - sum L^2), chi-squared with k - 1 degrees of freedom."""
    right = np.stack(alike(np.random.default_rng(0), [0.8, 0.85, 0.82, 0.84], 300), axis=1)
    columns, lines, k = right.sum(axis=0), right.sum(axis=1), 4
    q = (k - 1) * (k * (columns**2).sum() - columns.sum() ** 2) / (k * columns.sum() - (lines**2).sum())
    assert tests.cochran_q(right) == pytest.approx(stats.chi2.sf(q, k - 1))


def test_cochrans_q_of_identical_rows_says_nothing():
    """Cochran's Q is not defined for identical rows, nor for a single row."""
    right = np.random.default_rng(0).random((50, 1)) < 0.9
    assert tests.cochran_q(np.hstack([right, right])) is None
    assert tests.cochran_q(right) is None


# Published numbers


def test_measured_minus_published_covers():
    """Two test sets of other images, of other sizes."""
    rng = np.random.default_rng(0)
    ours, theirs = rng.binomial(800, 0.92, STUDIES) / 800, rng.binomial(600, 0.95, STUDIES) / 600
    differences = [intervals.newcombe(float(a), float(b), 800, 600) for a, b in zip(ours, theirs, strict=True)]
    assert fair(covered(differences, -0.03))


def test_measured_minus_published_is_newcombes():
    """The difference has Newcombe's interval, from the two Wilson intervals (Newcombe 1998, method 10)."""
    difference, one, other = (
        intervals.newcombe(0.9, 0.85, 500, 400),
        intervals.wilson(450, 500),
        intervals.wilson(340, 400),
    )
    low = 0.05 - np.hypot(0.9 - one.low, other.high - 0.85)
    high = 0.05 + np.hypot(one.high - 0.9, 0.85 - other.low)
    assert (difference.value, difference.low, difference.high) == pytest.approx((0.05, low, high))


def test_rank_agreement():
    """Concordant minus discordant pairs, with the share of all orders that agree or disagree as much; undefined where
    one side does not vary."""
    orders = [sum(np.sign(b - a) for a, b in combinations(order, 2)) for order in permutations(range(4))]
    p = np.mean(np.abs(orders) >= 4)
    assert rank_agreement.kendall([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx((4 / 6, p))
    assert rank_agreement.kendall([1, 1, 1], [1, 2, 3]) is None


# F1


def test_f1_intervals_cover():
    """The bootstrap over images holds the truth in 95 % of test sets, of macro-F1 and of a paired difference.

    500 resamples of 600 images of three classes, one of which is rare; the truth is that of four million images.
    """
    rng, truth = np.random.default_rng(0), np.array([_f1(*_predicted(np.random.default_rng(1), 4_000_000))])[0]
    weights = np.vstack(list(bootstrap.example_weights(600, 500)))
    scores, paired = [], []
    for _ in range(STUDIES):
        labels, predicted = _predicted(rng, 600)
        values, drawn = _f1(labels, predicted), classes.f1(weights, labels, predicted, 3)
        scores += bootstrap.percentiles(values[:1], drawn[:1])
        paired += bootstrap.percentiles(values[1:] - values[:1], drawn[1:] - drawn[:1])
    assert fair(covered(scores, truth[0]))
    assert fair(covered(paired, truth[1] - truth[0]))


def _predicted(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,), and what two rows say (2, n)."""
    labels = rng.choice(3, n, p=[0.5, 0.35, 0.15])
    wrong = (labels + rng.integers(1, 3, n)) % 3
    return labels, np.where(np.stack(alike(rng, [0.85, 0.88], n)), labels, wrong)


def _f1(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return classes.f1(np.ones((1, len(labels)), np.float32), labels, predicted, 3)[:, 0]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_f1_is_scikit_learns(pairs: list[tuple[int, int]]):
    """Macro over the classes that have images, and weighted, where classes are missing too."""
    labels, predicted = np.array(pairs).T
    once = np.ones((1, len(labels)), np.float32)
    for average in ("macro", "weighted"):
        expected = f1_score(labels, predicted, labels=np.unique(labels), average=average, zero_division=0)
        assert classes.f1(once, labels, predicted[None], 5, average)[0, 0] == pytest.approx(expected, rel=1e-12)


def test_f1_of_weights_is_that_of_repeated_images():
    """An image that occurs three times counts three times."""
    labels, predicted, times = np.array([0, 1, 2, 1]), np.array([0, 1, 1, 2]), np.array([3, 0, 2, 5])
    weighted = classes.f1(times[None].astype(np.float32), labels, predicted[None], 3)[0, 0]
    assert weighted == pytest.approx(f1_score(labels.repeat(times), predicted.repeat(times), average="macro"))


def test_the_bootstrap_is_scipys():
    """The ends of the interval around scikit-learn's macro-F1 are the same within their Monte-Carlo error."""
    labels, predicted = _predicted(np.random.default_rng(0), 120)
    draws = bootstrap.draws(lambda weights: classes.f1(weights, labels, predicted[:1], 3), 1, len(labels))
    interval = bootstrap.percentiles(_f1(labels, predicted)[:1], draws)[0]
    theirs = stats.bootstrap(
        (labels, predicted[0]), lambda y, p: f1_score(y, p, average="macro"),
        paired=True, vectorized=False, method="percentile", n_resamples=2_000, rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    assert (interval.low, interval.high) == pytest.approx(tuple(theirs), abs=0.008)  # a tenth of its width


def test_the_bootstrap_draws_as_many_images():
    """Every sample has N images, each image once on average; the same seed gives the same samples."""
    weights = np.vstack(list(bootstrap.example_weights(50, 1_000)))
    assert weights.shape == (1_000, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.15)
    assert (weights == np.vstack(list(bootstrap.example_weights(50, 1_000)))).all()


# Effects

DESIGN = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [1, 0, 0.0]])


def test_main_effects_cover():
    """The coefficients of an additive model hold the truth in 95 % of test sets."""
    estimates = []
    rng = np.random.default_rng(0)
    for _ in range(STUDIES):
        rows = np.stack(alike(rng, [0.88, 0.92, 0.86, 0.90, 0.88], 300))
        estimates.append(intervals.means(linear_models.main_effects(DESIGN, rows)))
    for place, truth in enumerate([0.88, 0.04, -0.02]):
        assert fair(covered([effects[place] for effects in estimates], truth))


def test_main_effects_are_statsmodels_with_images_as_clusters():
    """The same coefficients, and the same intervals but for the factors for small samples and t for the normal."""
    n, rows = 400, np.stack(alike(np.random.default_rng(0), [0.88, 0.92, 0.86, 0.90, 0.88], 400))
    matrix, images = np.repeat(DESIGN, n, axis=0), np.tile(np.arange(n), 5)
    theirs = OLS(rows.ravel().astype(float), matrix).fit(
        cov_type="cluster", cov_kwds={"groups": images, "use_correction": False}
    )
    for effect, value, error in zip(
        intervals.means(linear_models.main_effects(DESIGN, rows)), theirs.params, theirs.bse, strict=True
    ):
        assert effect.value == pytest.approx(value, abs=1e-12)
        reach = stats.t.ppf(0.975, n - 1) * error * np.sqrt(n / (n - 1))
        assert effect.high - effect.value == pytest.approx(reach, rel=1e-9)


def test_the_fit_over_rows_covers():
    """The interval over rows with one value each holds the truth, seed noise included."""
    rng = np.random.default_rng(0)
    truth = DESIGN @ [0.88, 0.04, -0.02]
    fitted = [linear_models.ordinary_least_squares(DESIGN, truth + rng.normal(0, 0.01, 5))[1] for _ in range(STUDIES)]
    assert fair(covered(fitted, 0.04))


def test_what_can_be_estimated():
    """A column can be estimated where it adds to their rank."""
    one, a, b = DESIGN[:, :1], DESIGN[:, 1:2], DESIGN[:, 2:]
    assert linear_models.estimable(np.hstack([one, a]), b)
    assert not linear_models.estimable(np.hstack([one, a]), 1 - a)
    assert linear_models.basis(np.hstack([one, a, 1 - a, b])) == [0, 1, 3]


# One more training of the reference


def test_the_range_of_one_more_training_covers_it():
    """The reference with yet another seed falls into the range in 95 % of studies."""
    rng, n, inside = np.random.default_rng(0), 2_000, 0
    labels = np.zeros(n, np.int16)
    for _ in range(STUDIES):
        right = np.round(n * rng.normal(0.9, 0.01, 6)).astype(int)
        predicted = (np.arange(n) >= right[:5, None]).astype(np.int16)
        accuracies = synthetic.evidence("images", labels, range(5), predicted, predicted).sample(
            classes.of_classes()["accuracy"]
        )
        noise = study_statistics._noise(accuracies)
        assert noise
        inside += noise.range.holds(right[5] / n)
    assert fair(inside / STUDIES)
