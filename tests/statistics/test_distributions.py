"""Distributions without scipy.stats, and what is computed with them, have the bits of the libraries."""

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import cochrans_q
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from ablation.statistics import distributions, evaluation, intervals, linear_models, rank_agreement, tests
from ablation.statistics.intervals import ALPHA

pytestmark = pytest.mark.unit
SIZES = (1, 2, 3, 10, 77, 1000, 5431)


def equal(a: object, b: object) -> bool:
    return np.array_equal(np.asarray(a, float), np.asarray(b, float), equal_nan=True)


def test_quantiles_and_tails_are_those_of_scipy():
    """Student's t, normal, chi-square and binomial, for whole and fractional degrees of freedom."""
    degrees = np.concatenate([np.arange(1, 120), [5430, 1e6], np.random.default_rng(0).uniform(1, 50, 80)])[:, None]
    tails, values = np.array([ALPHA / 2, ALPHA / 72, 1e-8, 0.5]), np.linspace(0, 40, 50)
    assert equal(distributions.t_isf(tails, degrees), stats.t.isf(tails, degrees))
    assert equal(distributions.t_sf(values, degrees), stats.t.sf(values, degrees))
    assert all(distributions.t_ppf(0.975, df) == stats.t.ppf(0.975, df) for df in degrees[:, 0])
    assert all(distributions.normal_isf(p) == stats.norm.isf(p) for p in tails)
    assert all(distributions.chi_square_sf(x, df) == stats.chi2.sf(x, df) for x in values for df in (1, 2, 8, 99))
    assert all(distributions.chi_square_ppf(0.025, df) == stats.chi2.ppf(0.025, df) for df in (1, 2, 9, 99))
    for df, size in itertools.product((2, 9, 5430), (0.0, 2.8, 40.0)):
        assert distributions.nct_sf(1.96, df, size) == pytest.approx(stats.nct.sf(1.96, df, size), abs=1e-15)
        assert distributions.nct_cdf(-1.96, df, size) == pytest.approx(
            np.nan_to_num(stats.nct.cdf(-1.96, df, size)), abs=1e-15
        )
    successes, n = np.meshgrid(np.arange(60), np.arange(0, 700, 7))
    for share in (0.5, 0.153, 1.0):
        for name in ("pmf", "cdf", "sf"):
            ours, theirs = getattr(distributions, f"binomial_{name}"), getattr(stats.binom, name)
            assert equal(ours(successes, n, share), theirs(successes, n, share)), (name, share)
            assert name == "pmf" or equal(ours(-1, n, share), theirs(-1, n, share))
        for name in ("ppf", "isf"):
            ours, theirs = getattr(distributions, f"binomial_{name}"), getattr(stats.binom, name)
            assert all(equal(ours(tail, n, share), theirs(tail, n, share)) for tail in (1e-12, 0.025))


def test_the_binomial_is_scipys_own_where_its_ufunc_is_missing(monkeypatch: pytest.MonkeyPatch):
    """A later SciPy that renames the function costs time, and nothing else."""
    monkeypatch.setattr(distributions.special, "_ufuncs", None)
    assert equal(distributions.binomial_cdf([3], [9], 0.5), stats.binom.cdf([3], [9], 0.5))


@pytest.mark.parametrize("n", SIZES)
def test_intervals_of_shares_are_those_of_statsmodels(n: int):
    """Wilson and Newcombe; only rounding beyond the share itself is cut."""
    for correct in {*range(0, n, max(1, n // 90)), n}:
        low, high = proportion_confint(correct, n, alpha=ALPHA, method="wilson")
        interval, share = intervals.wilson(correct, n), correct / n
        assert (interval.low, interval.high) == pytest.approx((min(share, low), max(share, high)), abs=1e-15)
        bounds = confint_proportions_2indep(correct, n, 70, 77, method="newcomb", compare="diff", alpha=ALPHA)
        compared = intervals.newcombe(share, 70 / 77, n, 77)
        assert 0 < correct < n or np.allclose((compared.low, compared.high), bounds, rtol=0, atol=1e-15)
        assert not 0 < correct < n or (compared.low, compared.high) == bounds


def test_tests_are_those_of_the_libraries():
    """Holm, Cochran's Q, and the t test of differences."""
    rng = np.random.default_rng(0)
    for n in range(2, 60):
        p = np.round(rng.random(n) ** 3, 2 + n % 5)
        assert tests.holm(list(p)) == list(multipletests(p, method="holm")[1])
        differences = rng.normal(size=(7, n)) * 10.0 ** rng.integers(-3, 4)
        assert equal(distributions.t_test_p(differences), stats.ttest_1samp(differences, 0.0, axis=1).pvalue)
        correct = rng.random((20 * n, 2 + n % 12)) < 0.8
        assert tests.cochran_q(correct) == cochrans_q(correct.astype(int)).pvalue


def test_coefficients_are_those_of_ordinary_least_squares():
    """Estimates and bounds, of the designs that a table has."""
    rng = np.random.default_rng(0)
    for n_rows in range(4, 40):
        levels = rng.permutation(np.arange(n_rows) % 2)
        design, values = np.column_stack([np.ones(n_rows), levels]), rng.random(n_rows)
        fitted = OLS(values, design).fit()
        for i, interval in enumerate(linear_models.ordinary_least_squares(design, values)):
            assert (interval.value, interval.low, interval.high) == (fitted.params[i], *fitted.conf_int(ALPHA)[i])


@pytest.mark.parametrize("n_classes", [2, 6, 30])
@pytest.mark.parametrize("n", [1, 5, 300, 5431])
def test_scores_of_classes_are_those_of_scikit_learn(n_classes: int, n: int):
    """Also of classes that never occur or are never predicted."""
    labels, predicted = np.random.default_rng(n).integers(0, n_classes, (2, n)).astype(np.int16)
    classes = range(n_classes)
    scores = metrics.precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    assert all(map(equal, evaluation.class_scores(labels, predicted, n_classes), scores))
    counts = metrics.confusion_matrix(labels, predicted, labels=classes)
    assert equal(evaluation.confusion(labels, predicted, n_classes), counts)


@pytest.mark.parametrize("n", [2, 3, 9, 20, 33, 34, 60])
def test_rank_agreement_is_that_of_scipy(n: int):
    """Kendall's tau-b and its p: exact, and with ties or many values approximate."""
    rng = np.random.default_rng(n)
    for noise in (0.0, 0.3, 3.0):
        a = rng.permutation(n).astype(float)
        b = a + noise * n * rng.normal(size=n)
        for values in (b, np.round(b / n), np.round(b / 3), -b):
            tau, p = stats.kendalltau(a, values)
            expected = None if np.isnan(tau) else pytest.approx((tau, p), rel=1e-9)
            assert rank_agreement.kendall(list(a), list(values)) == expected
