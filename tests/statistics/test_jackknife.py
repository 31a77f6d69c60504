"""Pseudo-values of aggregates: their mean is the aggregate, and their spread is that of a second implementation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from ablation.analysis import scores
from ablation.analysis.evidence import Evidence, drawn
from ablation.analysis.facts import Inference
from ablation.measures.auc import auc
from ablation.measures.measure import AGGREGATE, Columns, Measure
from ablation.measures.regression import rmse
from ablation.statistics import intervals, jackknife
from ablation.statistics.groups import group_values
from ablation.statistics.intervals import Interval

pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings("error")]

RNG = np.random.default_rng(0)
POSITIVE = np.arange(60) < 20
AREA = Evidence("s", (0,), {"label": POSITIVE.astype(int), "score": (RNG.normal(size=60) + POSITIVE)[None]}, {})
MEDIAN = Measure("median", "median", kind=AGGREGATE, needs=("score",), aggregate=lambda c: float(np.median(c["score"])))


@pytest.mark.parametrize("groups", [np.arange(12), np.arange(12) % 5, np.minimum(np.arange(12), 6)])
def test_pseudo_values_of_a_mean_are_its_scores_or_those_of_groups(groups: np.ndarray):
    """The jackknife of examples or groups gives their scores for a mean, whose interval is then the t interval."""
    values = RNG.normal(size=12)
    without = jackknife.left_out(lambda weights: (weights @ values / weights.sum(axis=1))[None], groups)
    pseudo = jackknife.pseudo_values(values.mean()[None], without, np.bincount(groups))
    assert pseudo[0] == pytest.approx(group_values(values, groups), abs=1e-6)


def test_the_interval_of_an_area_is_delongs_on_the_log_odds():
    """The variance is DeLong's but for the factor of few examples in a class, m / (m - 1), by which it is larger."""
    positive, negative = (AREA.columns["score"][0][side == POSITIVE] for side in (True, False))
    won = positive[:, None] > negative
    area, parts = won.mean(), [won.mean(axis=1), won.mean(axis=0)]
    delong = sum(part.var(ddof=1) / len(part) for part in parts)
    sample = drawn({1: AREA}, auc(2, "score"))[1]
    assert sample.pseudo is not None
    assert sample.pseudo.mean() == pytest.approx(area)
    variance = sample.pseudo.var(ddof=1) / 60
    assert delong < variance < 20 / 19 * delong * 1.01
    interval = scores.score(sample).interval
    low, value, high = special.logit([interval.low, area, interval.high])
    assert high - value == pytest.approx(value - low)
    assert high - value == pytest.approx(2.001 * np.sqrt(variance) / (area * (1 - area)), rel=1e-3)


def test_without_variation_there_is_no_interval():
    """An area of 1 is the number alone."""
    best = replace(AREA, columns={**AREA.columns, "score": POSITIVE[None].astype(float)})
    interval = scores.score(drawn({1: best}, auc(2, "score"))[1]).interval
    assert interval.value == 1
    assert np.isnan([interval.low, interval.high]).all()


def _named(columns: Columns) -> Evidence:
    return Evidence("s", (0,), dict(columns), {})


def test_examples_many_or_of_a_median_and_those_of_version_0_1_keep_the_bootstrap():
    """The jackknife is wrong for a median, and needs no more than 1,000 examples."""
    few, large = (_named({"label": np.zeros(n), "predicted": RNG.normal(size=(1, n))}) for n in (1_000, 1_001))
    assert drawn({1: few}, rmse())[1].pseudo is not None
    assert drawn({1: large}, rmse())[1].draws is not None
    assert drawn({1: _named({"score": RNG.normal(size=(1, 30))})}, MEDIAN)[1].draws is not None
    assert drawn({1: AREA}, auc(2, "score"), Inference(legacy=True))[1].draws is not None


def test_an_aggregate_that_is_undefined_without_an_example_keeps_the_bootstrap():
    """An area of one positive example, which is undefined without that example, keeps the bootstrap."""
    alone = replace(AREA, columns={**AREA.columns, "label": (np.arange(60) == 0).astype(int)})
    assert drawn({1: alone}, auc(2, "score"))[1].pseudo is None


@pytest.mark.parametrize(
    ("value", "low", "high", "scale"),
    [(0.9, 0, 1, special.logit), (2.0, 0, np.inf, np.log), (0.3, -np.inf, 1, lambda x: -np.log(1 - x)),
     (0.8, -1, 1, np.arctanh)],
)  # fmt: skip
def test_an_interval_on_a_scale_is_symmetric_there(value: float, low: float, high: float, scale):
    """The log odds of the range (for a correlation Fisher's z), or the logarithm of the distance from the bound."""
    interval = intervals.on_scale(Interval(value, value - 0.3, value + 0.3), low, high)
    center, step = scale(value), (scale(value + 1e-6) - scale(value - 1e-6)) / 2e-6
    bounds = scale(np.array([interval.low, interval.high]))
    assert bounds == pytest.approx([center - 0.3 * step, center + 0.3 * step], rel=1e-4)
