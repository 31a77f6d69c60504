"""Intervals cover and tests err as claimed, counted in simulated studies; a wrong method is caught by the same counts.

The figures of a note are those of tests/benchmarks/coverage.py, with thousands of studies a line. Here each line has
few studies and fixed seeds: a count may lie four Monte-Carlo standard errors beyond the nominal value.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import simulations
from scipy import stats
from simulations import NOMINAL, OVER_EXAMPLES, OVER_SEEDS, Model
from sklearn.metrics import balanced_accuracy_score, f1_score, r2_score, roc_auc_score, root_mean_squared_error
from statsmodels.formula import api as smf
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.anova import anova_lm

from ablation.analysis import differences
from ablation.analysis.evidence import Evidence
from ablation.analysis.facts import RowFacts
from ablation.statistics import intervals, jackknife, tests
from ablation.statistics.intervals import Interval
from ablation.study.table_keys import TableKeys

pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings("error")]

LINES = {line.name: line for line in simulations.lines()}
STUDIES = {  # studies of each line that is counted here
    "examples 0/1, one seed; N = 36": 150,
    "examples 0/1, one seed; N = 1,000": 150,
    "examples, any score, one seed; normal, N = 30": 150,
    "examples, any score, one seed; squared errors, N = 200": 150,
    "scalars, the same seeds; S = 3": 150,
    "scalars, the same seeds; S = 10": 150,
    "examples x seeds, over seeds; 0/1, S = 3, N = 500": 150,
    "examples x seeds, over seeds; any score, S = 5, N = 50": 100,
    "examples x seeds, over examples; 0/1, S = 5, N = 500": 100,
    "examples x seeds, both; seeds dominate, S = 3, N = 50": 100,
    "examples x seeds, both; examples dominate, S = 5, N = 50": 100,
    "examples x seeds, both; interaction, S = 10, N = 50": 100,
    "groups, one seed; any score, equal sizes, G = 6": 100,
    "groups, one seed; any score, unequal sizes, G = 12": 100,
    "groups, one seed; 0/1, equal sizes, G = 12": 150,
    "examples x seeds, both; 0/1, S = 10, N = 50": 100,
    "groups x seeds, both; any score, unequal sizes, S = 3, G = 20": 100,
    "scalar accuracy, N known; other examples, N = 100": 100,
    "scalars, different seeds; unequal deviations, S = 5": 100,
    "aggregates, one seed; RMSE, N = 100": 150,
    "aggregates, one seed; macro-F1, N = 200": 50,
    "aggregates x seeds, both; RMSE, S = 10, N = 200": 40,
    "missing replicates; scalars, S = 10": 100,
    "missing replicates; any score, both, S = 10, N = 500": 40,
}


@pytest.mark.parametrize("name", STUDIES)
def test_intervals_cover_and_tests_keep_their_errors(name: str):
    """Rows' and differences' intervals hold the truth in 95 % of studies; 5 % at most call any of equal rows
    different."""
    counts = simulations.count(LINES[name], STUDIES[name])
    assert simulations.failures(LINES[name], counts, NOMINAL) == [], counts
    assert counts.without[0] == 0
    assert counts.without[1] < 0.01  # differences that are the same for all of three seeds have no interval


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_sign_flips_keep_their_floor(seeds: int):
    """No sign-flip p value is below 2 / 2^S, so with up to five seeds none calls equal rows different."""
    counts = simulations.count(LINES[f"scalars, the same seeds; S = {seeds}"], 60)
    assert counts.floor >= 2 / 2**seeds
    assert counts.flips.value == 0 if seeds <= 5 else 0 < counts.flips.value < 0.1


def test_fewer_than_six_groups_have_no_interval():
    """Fewer than six groups have no interval, their differences no p value, so no row is called different."""
    model = Model("number", simulations.GROUPS, 1, (20,) * 5, grouped=True)
    line = replace(LINES["groups, one seed; any score, equal sizes, G = 6"], draw=model)
    counts = simulations.count(line, 5)
    assert counts.without == (1, 1)
    assert counts.family.value == 0


@pytest.mark.parametrize("kind", sorted({line.kind for line in LINES.values()}))
def test_the_layer_below_makes_the_same_claims(kind: str):
    """Differences of many studies at once, as the figures of a note count them, are those of the whole analysis."""
    line = next(line for line in LINES.values() if line.kind == kind)
    counts = [simulations.count(line, 4, claimed=claimed) for claimed in (simulations.whole, simulations.layered)]
    assert str(counts[0]) == str(counts[1])
    drawn = [line.draw(np.random.default_rng(seed), line.truths) for seed in range(2)]
    with simulations.lean():
        numbers = [
            [(i.value, i.low, i.high) for i in claims.rows().values()]
            + [(d.value.low, d.value.high, d.p_holm) for d in claims.deltas.values()]
            for claimed in (simulations.whole, simulations.layered) for claims in claimed(line, drawn)
        ]  # fmt: skip
    for one, other in zip(numbers[:2], numbers[2:], strict=True):
        assert np.array(one) == pytest.approx(np.array(other), nan_ok=True)


# Wrong methods


def wald(correct: int, n: int) -> Interval:
    """Return the normal interval of a share, which is too narrow near 0 and 1."""
    share = correct / n
    reach = 1.96 * float(np.sqrt(share * (1 - share) / n))
    return Interval(share, share - reach, share + reach)


def normal_means(values: np.ndarray) -> list[Interval]:
    """Return the interval of means with normal quantiles, which few seeds do not allow."""
    reach = 1.96 * values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    return [Interval(m, m - r, m + r) for m, r in zip(values.mean(axis=1), reach, strict=True)]


def pooled(a: np.ndarray, b: np.ndarray) -> Interval:
    """Return the normal interval of a difference of independent means, which few seeds do not allow."""
    difference, reach = b.mean() - a.mean(), 1.96 * np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    return Interval(difference, difference - reach, difference + reach)


def from_a_constant(correct: tuple[int, int], other: tuple[int, int]) -> Interval:
    """Return the normal interval of a share minus a number that is taken as exact."""
    own, difference = wald(*other), other[0] / other[1] - correct[0] / correct[1]
    return Interval(difference, difference + own.low - own.value, difference + own.high - own.value)


def as_if_unpaired(rows: Any, over: str) -> np.ndarray:
    """Return the values of the rows, each in an order of its own, as if their examples were others."""
    values: np.ndarray = MEASURED(rows, over)
    return values if len(values) == 1 else np.stack([np.roll(row, int(1e6 * row[0]) % len(row)) for row in values])


MEASURED = differences.measured


def of_too_many(values: np.ndarray, without: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return pseudo-values as if there were twice as many examples, which are too close to the value."""
    pseudo = PSEUDO_VALUES(values, without, sizes)
    return values[:, None] + (pseudo - values[:, None]) / np.sqrt(2)


PSEUDO_VALUES = jackknife.pseudo_values


def filled(draw: simulations.Draw) -> simulations.Draw:
    """Return a draw that states the mean of the finished seeds as the number of each seed without a result."""

    def drawn(rng: np.random.Generator, truths: Any) -> simulations.Drawn:
        study = draw(rng, truths)
        seeds = study.rows[1].seeds
        return study._replace(rows={r: _filled(e, seeds) for r, e in study.rows.items()})

    return drawn


def _filled(evidence: Any, seeds: tuple[int, ...]) -> Any:
    own = evidence.numbers["result"]
    by_seed = dict(zip(evidence.seeds, own, strict=True))
    return replace(evidence, seeds=seeds, numbers={"result": np.array([by_seed.get(s, own.mean()) for s in seeds])})


ROWS, DIFFERENCES, ERRORS = "rows cover too little", "differences cover too little", "too many errors"
WRONG: tuple[tuple[str, Any, str, Callable[..., Any], set[str], int], ...] = (  # the last: number of studies
    ("examples 0/1, one seed; N = 36", intervals, "wilson", wald, {ROWS}, 250),
    ("examples 0/1, one seed; N = 36", intervals, "bonett_price_of_differences", normal_means, {DIFFERENCES}, 120),
    ("examples, any score, one seed; normal, N = 200", tests, "holm", list, {ERRORS}, 150),
    ("examples, any score, one seed; normal, N = 30", differences, "measured", as_if_unpaired,
     {"differences cover too much"}, 120),
    ("scalars, the same seeds; S = 3", intervals, "means", normal_means, {ROWS, DIFFERENCES}, 120),
    ("scalars, different seeds; unequal deviations, S = 3", intervals, "welch", pooled, {DIFFERENCES}, 120),
    ("scalar accuracy, N known; other examples, N = 36", intervals, "agresti_caffo", from_a_constant, {DIFFERENCES},
     120),
    ("aggregates, one seed; RMSE, N = 100", jackknife, "pseudo_values", of_too_many, {ROWS, DIFFERENCES}, 200),
)  # fmt: skip


@pytest.mark.parametrize(("name", "module", "function", "wrong", "failures", "studies"), WRONG)
def test_a_wrong_method_is_caught(
    name: str, module: Any, function: str, wrong: Callable[..., Any], failures: set[str], studies: int
):
    """The same counts with a method that is wrong for this evidence break their bounds."""
    with patch.object(module, function, wrong):
        counts = simulations.count(LINES[name], studies, claimed=simulations.layered)
    assert failures <= set(simulations.failures(LINES[name], counts, NOMINAL)), counts


MODELS = {  # a line, what is wrong, and the bounds that break
    "a t over seeds read as the method's, where examples dominate": (
        replace(LINES["examples x seeds, both; examples dominate, S = 5, N = 50"], table=OVER_SEEDS),
        {ROWS, DIFFERENCES, ERRORS},
    ),
    "a t over examples read as the method's, where seeds dominate": (
        replace(LINES["examples x seeds, both; seeds dominate, S = 3, N = 50"], table=OVER_EXAMPLES),
        {ROWS, DIFFERENCES, ERRORS},
    ),
    "examples of the same groups taken as independent": (
        replace(LINES["groups, one seed; any score, equal sizes, G = 12"], table=TableKeys(units="examples")),
        {ROWS, DIFFERENCES, ERRORS},
    ),
    "missing replicates filled with the mean": (
        replace(LINES["missing replicates; scalars, S = 10"], draw=filled(
            replace(LINES["missing replicates; scalars, S = 10"].draw, missing=0.5))),
        {ROWS, DIFFERENCES},
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", MODELS)
def test_evidence_that_is_read_wrongly_is_caught(wrong: str):
    """The right method over the wrong units, or on invented numbers, breaks the bounds."""
    line, failures = MODELS[wrong]
    counts = simulations.count(line, 80, claimed=simulations.layered)
    assert failures <= set(simulations.failures(line, counts, NOMINAL)), counts


# Second implementations


def study(name: str, seed: int = 0) -> tuple[dict[int, Evidence], dict[int, RowFacts]]:
    """Return the evidence and the facts of one study of a line: row -> evidence, row -> facts."""
    line = LINES[name]
    drawn = line.draw(np.random.default_rng(seed), line.truths)
    return dict(drawn.rows), simulations.analysed(line, drawn).rows


def deltas(rows: dict[int, RowFacts]) -> list[Any]:
    """Return the differences from the reference, by row."""
    return [facts.delta for row, facts in rows.items() if row > 1]


def bounds(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def holm(p: Sequence[float]) -> np.ndarray:
    """Return p values adjusted by hand: the smallest times the number of tests, and so on, never falling."""
    order, adjusted = np.argsort(p), np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted


def assert_t(values: Sequence[np.ndarray], rows: dict[int, RowFacts]) -> None:
    """Assert that rows have scipy's t intervals of these values, and differences the p values of scipy's paired t
    test."""
    for row, facts in rows.items():
        assert bounds(facts.primary.interval) == pytest.approx(tuple(stats.ttest_1samp(values[row - 1], 0)
                                                                     .confidence_interval(0.95)))  # fmt: skip
    paired = [stats.ttest_rel(other, values[0]) for other in values[1:]]
    differences = deltas(rows)
    assert [bounds(d.value) for d in differences] == [
        pytest.approx(tuple(result.confidence_interval(0.95))) for result in paired
    ]
    assert [d.p for d in differences] == pytest.approx([result.pvalue for result in paired])
    assert [d.p_holm for d in differences] == pytest.approx(holm([result.pvalue for result in paired]))


def test_right_and_wrong_examples_are_scipys():
    """Wilson's interval; the t interval with the two added examples; the binomial test of the discordant examples."""
    evidence, rows = study("examples 0/1, one seed; N = 100")
    right = [of_row.predicted[0].astype(int) for of_row in evidence.values()]
    for values, facts in zip(right, rows.values(), strict=True):
        theirs = stats.binomtest(values.sum(), len(values)).proportion_ci(method="wilson")
        assert bounds(facts.primary.interval) == pytest.approx((theirs.low, theirs.high))
    changes, differences = [values - right[0] for values in right[1:]], deltas(rows)
    added = [stats.ttest_1samp(np.append(change, (1, -1)), 0).confidence_interval(0.95) for change in changes]
    assert [bounds(d.value) for d in differences] == [pytest.approx(tuple(of_row)) for of_row in added]
    p = [stats.binomtest((c > 0).sum(), (c != 0).sum()).pvalue for c in changes]
    assert [d.p for d in differences] == pytest.approx(p)
    assert [d.p_holm for d in differences] == pytest.approx(holm(p))


@pytest.mark.parametrize("settings", ["normal, N = 200", "squared errors, N = 30"])
def test_scores_of_examples_are_scipys(settings: str):
    """The t interval and the paired t test over examples."""
    evidence, rows = study(f"examples, any score, one seed; {settings}")
    assert_t([of_row.columns["score"][0] for of_row in evidence.values()], rows)


def test_scalars_are_scipys():
    """The t interval and the paired t test over seeds, and the exact test of all sign flips."""
    evidence, rows = study("scalars, the same seeds; S = 5")
    values = [of_row.numbers["result"] for of_row in evidence.values()]
    assert_t(values, rows)
    flips = [
        stats.permutation_test((other - values[0],), np.mean, permutation_type="samples", n_resamples=np.inf)
        for other in values[1:]
    ]
    assert [d.p_exact for d in deltas(rows)] == pytest.approx([of_row.pvalue for of_row in flips])


def test_examples_over_seeds_are_scipys():
    """The t interval and the paired t test of the means of each seed."""
    evidence, rows = study("examples x seeds, over seeds; 0/1, S = 5, N = 500")
    assert_t([of_row.predicted.mean(axis=1) for of_row in evidence.values()], rows)


def test_common_replicates_are_scipys():
    """The paired t test of a row with missing seeds is over the seeds that both have."""
    evidence, rows = study("missing replicates; scalars, S = 10")
    numbers = [dict(zip(of_row.seeds, of_row.numbers["result"], strict=True)) for of_row in evidence.values()]
    assert len({len(of_row) for of_row in numbers}) > 1
    for own, facts in zip(numbers[1:], list(rows.values())[1:], strict=True):
        theirs = stats.ttest_rel(list(own.values()), [numbers[0][seed] for seed in own])
        assert facts.delta
        assert bounds(facts.delta.value) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
        assert facts.delta.p == pytest.approx(theirs.pvalue)


def test_both_are_statsmodels_mean_squares():
    """The half-widths over seeds and over examples, from an analysis of variance, add up as squares (Howe 1974)."""
    evidence, rows = study("examples x seeds, both; interaction, S = 5, N = 50")
    scores = [of_row.columns["score"] for of_row in evidence.values()]
    for values, interval in [(scores[0], rows[1].primary.interval), (scores[1] - scores[0], rows[2].delta.value)]:
        n_seeds, n = values.shape
        seed, example = np.indices(values.shape).reshape(2, -1)
        fit = smf.ols("y ~ C(s) + C(i)", pd.DataFrame({"y": values.ravel(), "s": seed, "i": example})).fit()
        of_seeds, of_examples, of_rest = anova_lm(fit)["mean_sq"] / values.size
        quantile = {df: stats.t.isf(0.025, df) for df in (n_seeds - 1, n - 1)}
        alone = quantile[n_seeds - 1] ** 2 * of_seeds, quantile[n - 1] ** 2 * of_examples
        reach = np.sqrt(max(quantile[n_seeds - 1] ** 2 * max(of_seeds - of_rest, 0) + alone[1], *alone))
        assert bounds(interval) == pytest.approx((values.mean() - reach, values.mean() + reach))


@pytest.mark.parametrize("groups", [12, 40])
def test_groups_of_equal_size_are_scipys(groups: int):
    """The t interval and the paired t test over the means of groups."""
    evidence, rows = study(f"groups, one seed; any score, equal sizes, G = {groups}")
    assert_t([of_row.columns["score"][0].reshape(groups, -1).mean(axis=1) for of_row in evidence.values()], rows)


def test_groups_of_unequal_size_are_statsmodels_clusters():
    """The standard error is near that of a regression on a constant with groups as clusters, of which it removes the
    bias."""
    evidence, rows = study("groups, one seed; any score, unequal sizes, G = 40")
    one, other = (evidence[row].columns["score"][0] for row in (1, 2))
    groups = evidence[1].columns["group"]
    theirs = OLS(other - one, np.ones(len(one))).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    delta = rows[2].delta
    assert delta
    assert delta.value.value == pytest.approx(theirs.params[0])
    degrees = np.bincount(groups).sum() ** 2 / (np.bincount(groups) ** 2).sum() - 1
    error = (delta.value.high - delta.value.value) / stats.t.isf(0.025, degrees)
    assert error == pytest.approx(theirs.bse[0], rel=0.05)


def test_rows_of_different_seeds_are_scipys():
    """Welch's interval and test."""
    evidence, rows = study("scalars, different seeds; unequal deviations, S = 5")
    one, *others = (of_row.numbers["result"] for of_row in evidence.values())
    theirs = [stats.ttest_ind(other, one, equal_var=False) for other in others]
    differences = deltas(rows)
    assert [bounds(d.value) for d in differences] == [
        pytest.approx(tuple(of_row.confidence_interval(0.95))) for of_row in theirs
    ]
    assert [d.p for d in differences] == pytest.approx([of_row.pvalue for of_row in theirs])
    assert [d.p_holm for d in differences] == pytest.approx(holm([of_row.pvalue for of_row in theirs]))


def test_scalar_accuracies_are_agresti_and_caffos():
    """Wilson's interval of a row; of a difference the normal interval with one more right and one more wrong example
    in each row."""
    evidence, rows = study("scalar accuracy, N known; the same examples, N = 100")
    right = [round(100 * of_row.numbers["accuracy"][0]) for of_row in evidence.values()]
    theirs = stats.binomtest(right[0], 100).proportion_ci(method="wilson")
    assert bounds(rows[1].primary.interval) == pytest.approx((theirs.low, theirs.high))
    share = [(k + 1) / 102 for k in right]
    for row, delta in enumerate(deltas(rows), start=1):
        reach = stats.norm.isf(0.025) * np.sqrt(sum(p * (1 - p) / 102 for p in (share[0], share[row])))
        assert bounds(delta.value) == pytest.approx((share[row] - share[0] - reach, share[row] - share[0] + reach))


def test_a_perfect_scalar_accuracy_is_compared():
    """The p value of a row without an error is that of the shares with the added examples, and nothing warns."""
    p = tests.agresti_caffo_p((90, 100), (100, 100))
    share = np.array([91, 101]) / 102
    assert p == pytest.approx(2 * stats.norm.sf(np.ptp(share) / np.sqrt((share * (1 - share)).sum() / 102)))


AGGREGATES = {
    "RMSE, N = 100": ("predicted", root_mean_squared_error),
    "R², N = 100": ("predicted", r2_score),
    "Pearson's r, N = 100": ("predicted", lambda labels, predicted: stats.pearsonr(labels, predicted).statistic),
    "balanced accuracy, N = 200": ("predicted", balanced_accuracy_score),
    "macro-F1, N = 200": ("predicted", lambda labels, predicted: f1_score(labels, predicted, average="macro")),
    "AUC, N = 100": ("score", roc_auc_score),
}


@pytest.mark.parametrize("settings", AGGREGATES)
def test_aggregates_are_scikit_learns(settings: str):
    """The value is scikit-learn's, and the bounds of a difference are near those of scipy's bootstrap."""
    column, score = AGGREGATES[settings]
    with simulations.lean():
        evidence, rows = study(f"aggregates, one seed; {settings}")
    labels, one, other = evidence[1].labels, *(evidence[row].columns[column][0] for row in (1, 2))
    assert rows[1].primary.value == pytest.approx(score(labels, one))
    theirs = stats.bootstrap(  # of other samples and percentiles, near the jackknife's
        (labels, one, other), lambda y, a, b: score(y, b) - score(y, a), paired=True, vectorized=False,
        method="percentile", n_resamples=200, rng=np.random.default_rng(0),
    )  # fmt: skip
    delta = rows[2].delta
    assert delta
    width = delta.value.high - delta.value.low
    assert bounds(delta.value) == pytest.approx(tuple(theirs.confidence_interval), abs=0.2 * width)
