"""Power: what a number of examples or of seeds can show, by enumeration and by the non-central t distribution."""

from itertools import product
from math import sqrt

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.power import TTestPower

from ablation.statistics import power, tests

pytestmark = pytest.mark.unit


def test_power_of_mcnemar_is_the_sum_over_all_outcomes():
    """Every number of examples that only one row gets right, with statsmodels' own exact p for each."""
    n, q, d = 24, 0.4, 0.3
    total = 0.0
    for only_a, only_b in product(range(n + 1), repeat=2):
        if only_a + only_b <= n and mcnemar([[n - only_a - only_b, only_a], [only_b, 0]], exact=True).pvalue < 0.05:
            total += stats.multinomial.pmf([only_a, only_b, n - only_a - only_b], n, [(q - d) / 2, (q + d) / 2, 1 - q])
    assert power.mcnemar_power(d, q, n) == pytest.approx(total, abs=1e-9)


def test_power_of_mcnemar_is_the_share_of_simulated_test_sets():
    """A difference of the detectable size is found in 80 % of test sets."""
    n, q = 120, 0.2
    d = power.mcnemar_detectable(q, n)
    drawn = np.random.default_rng(0).choice(3, (2_000, n), p=[(q - d) / 2, (q + d) / 2, 1 - q])
    p = [tests.discordance(example == 0, example == 1).p for example in drawn]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.8, abs=0.03)  # three times the Monte Carlo error


def test_no_difference_is_promised_that_cannot_be():
    """36 examples with 15.3 % discordance: 18.8 points exceed the discordance, and the power is 0.48 at most."""
    assert power.paired_t_detectable(sqrt(0.153), 36) == pytest.approx(0.188, abs=5e-4)
    assert power.detectable_share(0.153, 36) is None
    assert power.mcnemar_power(0.153, 0.153, 36) == pytest.approx(0.48, abs=5e-3)
    assert power.mcnemar_power(0.153, 0.153, 36) == pytest.approx(stats.binom.sf(5, 36, 0.153))  # 6 of 6: p 0.031


@pytest.mark.parametrize(("discordant", "n"), [(0.4, 36), (0.153, 100), (0.3, 199), (1.0, 20)])
def test_below_200_examples_the_smallest_difference_has_power_0_8(discordant: float, n: int):
    """The power there is 0.8; no smaller difference has it."""
    d = power.detectable_share(discordant, n)
    assert power.mcnemar_power(d, discordant, n) == pytest.approx(0.8, abs=1e-9)
    assert power.mcnemar_power(0.99 * d, discordant, n) < 0.8


def test_from_200_examples_on_the_approximation_stays():
    """The approximation is used from 200 examples on where it is possible; otherwise the power is enumerated."""
    for discordant, n in ((0.153, 200), (0.05, 5431), (1.0, 300)):
        assert power.detectable_share(discordant, n) == power.paired_t_detectable(sqrt(discordant), n)
    assert power.paired_t_detectable(sqrt(0.02), 250) > 0.02
    assert power.detectable_share(0.02, 250) is None


def test_a_difference_above_the_discordance_is_refused():
    """A difference above the discordance, which cannot be, is refused."""
    with pytest.raises(ValueError, match="between 0 and the discordance"):
        power.mcnemar_power(0.2, 0.1, 50)


@pytest.mark.parametrize("n", [3, 5, 12, 60])
def test_power_of_t_is_that_of_statsmodels(n: int):
    """The non-central t distribution, as TTestPower has it."""
    for effect in (0.1, 0.5, 1.0, 2.0):
        expected = TTestPower().power(effect, n, 0.05, alternative="two-sided")
        assert power.paired_t_power(2 * effect, 2.0, n) == pytest.approx(expected, abs=1e-12)
    expected = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
    assert power.paired_t_detectable(1.0, n) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 8, 0.05 / 9999])
def test_power_of_t_is_a_probability_that_never_falls(alpha: float):
    """The power is a number in regions too where statsmodels gives nan."""
    for n in (3, 8, 10**7):
        values = [power.paired_t_power(d, 1.0, n, alpha) for d in np.geomspace(1e-6, 1e6, 80)]
        assert 0 <= min(values) <= max(values) <= 1 + 1e-12
        assert (np.diff(values) > -1e-9).all()


@pytest.mark.parametrize(("difference", "deviation", "alpha"), [(1.0, 1.0, 0.05), (0.5, 1.2, 0.05 / 8), (3, 0.1, 0.05)])
def test_seeds_needed_are_the_fewest_with_power_0_8(difference: float, deviation: float, alpha: float):
    """One seed fewer has less, unless three seeds are enough."""
    n = power.seeds_needed(difference, deviation, alpha)
    assert power.paired_t_power(difference, deviation, n, alpha) >= 0.8
    assert n == 3 or power.paired_t_power(difference, deviation, n - 1, alpha) < 0.8


def test_examples_needed_have_power_0_8():
    """One example fewer has less; the first Holm step needs more; and beyond all reason there is no number."""
    one, holm = (power.examples_needed(0.05, 0.15, alpha) for alpha in (0.05, 0.05 / 8))
    assert power.mcnemar_power(0.05, 0.15, one) >= 0.8 > power.mcnemar_power(0.05, 0.15, one - 1)
    assert holm > one
    assert power.examples_needed(1e-5, 0.15) is None


def test_a_deviation_from_few_values_is_uncertain():
    """The upper end of its 95 % interval by chi-square: 6.3 times it with two degrees of freedom."""
    assert power.deviation_factor(2) == pytest.approx(np.sqrt(2 / stats.chi2.ppf(0.025, 2)))
    drawn = np.random.default_rng(0).normal(size=(20_000, 5)).std(axis=1, ddof=1) * power.deviation_factor(4)
    assert np.mean(drawn > 1) == pytest.approx(0.975, abs=0.004)


def test_all_pairs_at_once_have_the_p_of_statsmodels():
    """The exact McNemar test of many pairs is, bit for bit, that of one pair at a time."""
    rng = np.random.default_rng(11)
    a, b = rng.random((40, 60)) < 0.7, rng.random((40, 60)) < np.linspace(0.3, 1, 40)[:, None]
    for first, second, result in zip(a, b, tests.discordances(a, b), strict=True):
        only = int((first & ~second).sum()), int((second & ~first).sum())
        assert (result.only_a, result.only_b) == only
        assert result.p == mcnemar([[0, only[0]], [only[1], 0]], exact=True).pvalue
