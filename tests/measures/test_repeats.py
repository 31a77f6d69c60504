"""Repeats are nested in their example: averaged first, then examples are the units."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ablation.analysis import differences, evidence, scores
from ablation.analysis.evidence import Evidence, drawn
from ablation.analysis.facts import Inference
from ablation.measures.auc import auc
from ablation.measures.classes import of_classes
from ablation.measures.columns import mean_of
from ablation.measures.measure import BINARY, BOUNDED
from ablation.measures.regression import mae
from ablation.statistics import bootstrap
from ablation.store.examples import Examples
from ablation.store.result import check_columns

pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings("error")]

LEGACY = Inference(legacy=True)  # bootstrap percentiles, also of few examples
QUESTIONS, REPEATS = 200, 3
IDS = np.array([f"q{k:03}" for k in range(QUESTIONS)])
CORRECT = mean_of("correct", binary=True)


def asked(chance: float, seed: int, order: int = 0, repeats: int = REPEATS) -> dict[str, np.ndarray]:
    """A harness of 200 questions, each asked three times, with answers in any order."""
    rng = np.random.default_rng(seed)
    hard = np.random.default_rng(99).normal(size=QUESTIONS)
    right = rng.random((repeats, QUESTIONS)) < 1 / (1 + np.exp(hard - chance))
    columns = {
        "id": np.tile(IDS, repeats), "repeat": np.repeat(np.arange(repeats), QUESTIONS),
        "correct": right.ravel().astype(int), "label": np.tile(np.arange(QUESTIONS) % 2, repeats),
        "predicted": right.ravel().astype(int), "score": (hard + rng.normal(size=right.shape)).ravel(),
    }  # fmt: skip
    lines = np.random.default_rng(order).permutation(repeats * QUESTIONS)
    return {name: column[lines] for name, column in columns.items()}


def row(columns: dict[str, np.ndarray], *measures: Any) -> Evidence:
    return evidence.of_row("test", [0], [Examples(columns)], measures or [CORRECT])


def shares(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Return the share of right answers of each question, in the order of the ids."""
    return np.array([columns["correct"][columns["id"] == one].mean() for one in IDS])


def test_examples_are_the_units():
    """N is the number of questions; the interval is Student's t over the questions' means."""
    columns = asked(0.5, 1)
    answers = row(columns)
    sample = answers.sample(CORRECT)
    assert answers.n == sample.n == QUESTIONS
    assert (CORRECT.kind, sample.kind) == (BINARY, BOUNDED)  # neither Wilson nor McNemar
    assert sample.share == pytest.approx(shares(columns))
    interval = scores.score(replace(sample, legacy=True)).over_examples
    expected = stats.ttest_1samp(shares(columns), 0).confidence_interval(0.95)
    assert (interval.value, interval.low, interval.high) == pytest.approx((columns["correct"].mean(), *expected))


def test_rows_are_paired_by_their_examples():
    """Rows are paired by question in any order of the answers, and with another number of repeats: the paired t
    test."""
    one, other = asked(0.2, 1, order=1), asked(0.9, 2, order=2, repeats=5)
    rows = evidence.told_apart({1: row(one), 2: row(other)}, 1)
    assert rows[1].split == rows[2].split
    difference = differences.between(drawn(rows, CORRECT), [(1, 2)])[1, 2]
    expected = stats.ttest_rel(shares(other), shares(one))
    assert (difference.over, difference.against) == ("examples", None)
    assert difference.p == pytest.approx(expected.pvalue)
    assert (difference.value.low, difference.value.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_rows_with_other_questions_are_told_apart():
    """Equal numbers of answers are no pairing."""
    one, other = asked(0.2, 1), asked(0.2, 2)
    other["id"] = np.char.replace(other["id"], "q199", "q200")
    rows = evidence.told_apart({1: row(one), 2: row(other)}, 1)
    assert rows[1].split != rows[2].split


def test_an_example_with_more_repeats_weighs_no_more():
    """The value is the mean over examples, as in the interval."""
    columns = {"id": np.array([1, 1, 1, 2]), "repeat": np.arange(4), "correct": np.array([1, 1, 1, 0])}
    assert CORRECT.value(columns) == 0.5
    numbers = {
        "id": np.array([2, 1, 1]),
        "repeat": np.arange(3),
        "label": np.zeros(3),
        "predicted": np.array([4, 1, 3]),
    }
    assert mae().scores(numbers).tolist() == [2, 4]


def test_aggregates_are_resampled_by_example():
    """A bootstrap sample has all repeats of a question, or none."""
    columns, macro_f1 = asked(0.5, 1), of_classes(2)["macro_f1"]
    answers = row(columns, macro_f1)
    draws = drawn({1: answers}, macro_f1, LEGACY)[1].draws
    assert answers.sample(macro_f1).values[0] == macro_f1.value(columns)
    weights = next(bootstrap.example_weights(QUESTIONS, 20))
    for sample in range(20):
        lines = np.concatenate(
            [
                np.repeat(np.flatnonzero(columns["id"] == one), int(times))
                for one, times in zip(IDS, weights[sample], strict=True)
            ]
        )
        expected = macro_f1.value({name: column[lines] for name, column in columns.items()})
        assert draws[0, sample] == pytest.approx(expected, rel=1e-6)


def test_strata_are_those_of_examples():
    """AUC of repeated questions has samples with as many questions of each label."""
    columns, measure = asked(0.5, 1), auc(2, "score")
    draws = drawn({1: row(columns, measure)}, measure, LEGACY)[1].draws
    weights = next(bootstrap.example_weights(QUESTIONS, 256, strata=np.arange(QUESTIONS) % 2))[:5]
    assert draws[0, :5] == pytest.approx(row(columns, measure).sample(measure).resample(weights)[0], rel=1e-6)


@pytest.mark.parametrize(
    ("columns", "says"),
    [({"id": ["a", "b", "a"]}, "val: id 'a' occurs twice; return each example once, or add a column repeat"),
     ({"repeat": [0, 1, 1]}, "val: the column repeat needs the column id"),
     ({"id": ["a", "b", "a"], "repeat": [0, 0, 0]}, "val: id 'a' has the repeat 0 twice"),
     ({"id": ["a", "b", "a"], "repeat": [0, 0, 1], "label": [0, 1, 1]}, "val: id 'a' has two labels")],
)  # fmt: skip
def test_examples_that_contradict_each_other_are_refused(columns: dict[str, list[Any]], says: str):
    """One line names the example."""
    with pytest.raises(ValueError, match=f"^{says}$"):
        check_columns("val", columns)


def test_repeats_that_agree_are_accepted():
    """Repeats that agree are accepted, and so is an example a line, with a number of repeats or without."""
    check_columns("val", asked(0.5, 1))
    check_columns("val", {"id": [1, 2], "label": [0, 1]})
    check_columns("val", {"id": [1, 2], "repeat": [0, 0], "label": [0, 1]})
