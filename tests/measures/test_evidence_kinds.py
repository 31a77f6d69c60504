"""Measures of classes, probabilities and numbers: scikit-learn's, also under bootstrap samples."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics
from sklearn.calibration import calibration_curve

from ablation.analysis.evidence import Evidence, drawn, samples
from ablation.analysis.facts import Inference
from ablation.measures.auc import auc
from ablation.measures.balanced_accuracy import BALANCED_ACCURACY
from ablation.measures.calibration import BINS, ECE
from ablation.measures.classes import AUC, of_classes
from ablation.measures.correlation import PEARSON, R2
from ablation.measures.measure import Columns, Measure
from ablation.measures.probabilities import LOG_LOSS, brier
from ablation.statistics import bootstrap

pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings("error")]

LEGACY = Inference(legacy=True)  # bootstrap percentiles, also of few examples
N = 80


def of(classes: int, seed: int = 0, n: int = N) -> dict[str, np.ndarray]:
    """Labels, probabilities with ties, and predictions of K classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    raw = np.round(rng.random((n, classes)), 1) + 0.05
    raw[np.arange(n), labels] += 0.4
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    return {"label": labels, "probability": probabilities, "predicted": probabilities.argmax(axis=1)}


def numbers(seed: int = 0) -> dict[str, np.ndarray]:
    """Labels and predictions of a regression, far from 0."""
    rng = np.random.default_rng(seed)
    labels = rng.normal(1e4, 3, N)
    return {"label": labels, "predicted": labels + rng.normal(0.3, 2, N)}


def repeated(columns: Columns, weights: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """Yield the examples of each sample, repeated as often as their weights say."""
    for counts in weights:
        places = np.repeat(np.arange(len(counts)), counts.astype(int))
        yield {name: column[places] for name, column in columns.items()}


def binary(columns: Columns) -> dict[str, np.ndarray]:
    """Return the examples with the probability of the class 1 alone."""
    return {**columns, "probability": columns["probability"][:, 1]}


EXPECTED = [
    (BALANCED_ACCURACY, of(4), lambda c: metrics.balanced_accuracy_score(c["label"], c["predicted"])),
    (auc(2), of(2), lambda c: metrics.roc_auc_score(c["label"], c["probability"][:, 1])),
    (auc(2), binary(of(2)), lambda c: metrics.roc_auc_score(c["label"], c["probability"])),
    (auc(4), of(4), lambda c: metrics.roc_auc_score(c["label"], c["probability"], multi_class="ovr")),
    (LOG_LOSS, of(4), lambda c: metrics.log_loss(c["label"], c["probability"], labels=range(4))),
    (LOG_LOSS, binary(of(2)), lambda c: metrics.log_loss(c["label"], c["probability"], labels=[0, 1])),
    (brier(2), of(2), lambda c: metrics.brier_score_loss(c["label"], c["probability"][:, 1])),
    (brier(2), binary(of(2)), lambda c: metrics.brier_score_loss(c["label"], c["probability"])),
    (brier(4), of(4), lambda c: metrics.brier_score_loss(c["label"], c["probability"], labels=range(4))),
    (R2, numbers(), lambda c: metrics.r2_score(c["label"], c["predicted"])),
    (PEARSON, numbers(), lambda c: stats.pearsonr(c["label"], c["predicted"]).statistic),
]


@pytest.mark.parametrize(("measure", "columns", "expected"), EXPECTED, ids=lambda value: getattr(value, "name", ""))
def test_values_are_scikit_learns(measure: Measure, columns: Columns, expected):
    """A measure equals scikit-learn's for all examples, and for each bootstrap sample."""
    assert measure.value(columns) == pytest.approx(expected(columns), rel=1e-9)
    if measure.resampled:
        weights = np.vstack(list(bootstrap.example_weights(N, 12)))
        values = measure.resample([columns, columns], weights)
        assert values.shape == (2, 12)
        assert values[1] == pytest.approx([expected(sample) for sample in repeated(columns, weights)], rel=1e-6)
        one_by_one = replace(measure, resampled=None).resample([columns], weights)
        assert values[:1] == pytest.approx(one_by_one, rel=1e-6)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30), st.randoms())
def test_a_class_without_examples_enters_no_mean(pairs: list[tuple[int, int]], random):
    """Balanced accuracy over the classes of the labels; AUC over those that have examples and counterexamples."""
    labels, predicted = np.array(pairs).T
    raw = np.array([[random.randrange(1, 5) for _ in range(4)] for _ in pairs], float)
    columns = {"label": labels, "predicted": predicted, "probability": raw / raw.sum(axis=1, keepdims=True)}
    present = np.unique(labels)
    recalls = metrics.recall_score(labels, predicted, labels=present, average="macro")
    assert BALANCED_ACCURACY.value(columns) == pytest.approx(recalls)
    areas = [metrics.roc_auc_score(labels == k, columns["probability"][:, k]) for k in present if len(present) > 1]
    assert auc(4).value(columns) == pytest.approx(np.mean(areas) if areas else np.nan, nan_ok=True)


def test_a_resample_that_lacks_a_class_leaves_it_out():
    """A class without examples is left out, never a recall or an area of 0; nan where no class is left."""
    columns = of(3)
    without = (columns["label"] != 2).astype(np.float32)
    only = (columns["label"] == 2).astype(np.float32)
    kept = {name: column[without > 0] for name, column in columns.items()}
    weights = np.stack([without, only, 0 * only])
    recalls, areas = BALANCED_ACCURACY.resample([columns], weights)[0], auc(3).resample([columns], weights)[0]
    assert recalls[0] == pytest.approx(
        metrics.recall_score(kept["label"], kept["predicted"], labels=[0, 1], average="macro")
    )
    pairs = [metrics.roc_auc_score(kept["label"] == k, kept["probability"][:, k]) for k in (0, 1)]
    assert areas[0] == pytest.approx(np.mean(pairs))
    assert recalls[1] == (columns["predicted"] == 2)[only > 0].mean()
    assert np.isnan([areas[1], areas[2], recalls[2]]).all()


def test_labels_without_variance_have_no_r2():
    """Neither has a resample that drew one example alone, however far from 0."""
    columns = numbers()
    weights = np.vstack([N * np.eye(N)[:3], np.ones(N)]).astype(np.float32)
    for measure in (R2, PEARSON):
        values = measure.resample([columns], weights)[0]
        assert np.isnan(values[:3]).all()
        assert np.isfinite(values[3])
        assert np.isnan(measure.value({"label": np.full(5, 1e4), "predicted": np.arange(5.0)}))
    assert np.isnan(PEARSON.value({"label": np.arange(5.0), "predicted": np.full(5, 0.1)}))


def test_calibration_error_is_that_of_equal_masses():
    """Scikit-learn's bins of quantiles, weighted by their examples; a perfect forecast has an error of 0."""
    confidences = np.random.default_rng(0).uniform(0.5, 1, 998)
    correct = np.random.default_rng(1).random(998) < confidences**2
    share, mean = calibration_curve(correct, confidences, n_bins=BINS, strategy="quantile")
    counts = np.diff([0, *(997 * np.arange(1, BINS) // BINS + 1), 998])
    expected = np.average(np.abs(share - mean), weights=counts)
    assert ECE.value({"label": correct.astype(int), "probability": confidences}) == pytest.approx(expected, rel=1e-9)
    assert ECE.value({"label": np.array([0, 1]), "probability": np.eye(2)}) == 0
    assert ECE.value({"label": np.array([1, 1]), "probability": np.array([0.25, 1.0])}) == pytest.approx(0.375)


def evidence(columns: Columns, shift: float = 0.0) -> Evidence:
    """Return the evidence of one seed."""
    stacked = {name: column if name == "label" else column[None] for name, column in columns.items()}
    if shift:
        stacked["probability"] = stacked["probability"] + shift * stacked["probability"][:, ::-1]
    return Evidence("test", (0,), stacked, {})


def test_the_calibration_error_has_no_interval():
    """The calibration error is a number alone: no bootstrap is drawn, and no row is selected by it."""
    rows = {1: evidence(of(3))}
    assert drawn(rows, ECE)[1].draws is None
    assert drawn(rows, ECE)[1].values[0] == ECE.value(of(3))
    assert drawn(rows, auc(3), LEGACY)[1].draws is not None
    assert not ECE.selects
    assert auc(3).selects


def test_auc_is_stratified_by_class():
    """Each sample has as many examples of each class as the data; rows share the samples."""
    labels = np.array([0] * 60 + [1] * 5)
    weights = np.vstack(list(bootstrap.example_weights(65, 500, strata=labels)))
    assert (weights[:, labels == 1].sum(axis=1) == 5).all()
    assert (weights.sum(axis=1) == 65).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(65), abs=0.25)
    columns = {"label": labels, "score": np.random.default_rng(0).normal(labels)}
    rows = {row: Evidence("test", (0,), {"label": labels, "score": columns["score"][None]}, {}) for row in (1, 2)}
    one, other = (sample.draws for sample in drawn(rows, AUC, LEGACY).values())
    assert np.array_equal(one, other)
    weights = np.vstack(list(bootstrap.example_weights(65, 256, strata=labels)))
    assert one[:, :256] == pytest.approx(AUC.resample([columns], weights), rel=1e-6)
    assert np.isfinite(one).all()


def placements(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of pairs that each positive and each negative example wins (DeLong et al. 1988)."""
    wins = np.sign(scores[labels == 1][:, None] - scores[labels == 0]) / 2 + 0.5
    return wins.mean(axis=1), 1 - wins.mean(axis=0)


def test_differences_of_areas_vary_as_delong_says():
    """The bootstrap's deviation of two rows and of their difference, against DeLong's of their placements."""
    rng = np.random.default_rng(0)
    labels = (np.arange(400) < 150).astype(int)
    shared = rng.normal(labels)
    scores = [shared + 0.5 * rng.normal(size=400), shared + rng.normal(size=400)]
    evidence = {r: Evidence("test", (0,), {"label": labels, "score": s[None]}, {}) for r, s in enumerate(scores, 1)}
    one, other = (sample.draws[0] for sample in drawn(evidence, AUC, LEGACY).values())
    positive, negative = zip(*(placements(labels, s) for s in scores), strict=True)
    covariance = np.cov(positive) / 150 + np.cov(negative) / 250
    of_rows, of_difference = np.sqrt(np.diag(covariance)), np.sqrt([1, -1] @ covariance @ [1, -1])
    assert [one.std(), other.std()] == pytest.approx(of_rows, rel=0.04)
    assert (other - one).std() == pytest.approx(of_difference, rel=0.04)


def test_other_aggregates_draw_from_all_examples():
    """Samples of other aggregates are those of numpy's generator, as in earlier tables, to the bit."""
    columns = of(3)
    macro_f1 = of_classes(3)["macro_f1"]
    draws = drawn({1: evidence(columns)}, macro_f1, LEGACY)[1].draws
    indices = np.random.default_rng(0).integers(0, N, (bootstrap.CHUNK, N))
    weights = np.stack([np.bincount(drawn_places, minlength=N) for drawn_places in indices]).astype(np.float32)
    assert np.array_equal(draws[:, : bootstrap.CHUNK], macro_f1.resample([columns], weights).astype(np.float32))


def test_many_examples_are_drawn_in_smaller_parts(monkeypatch: pytest.MonkeyPatch):
    """The samples are the same; the memory is bounded."""
    whole = np.vstack(list(bootstrap.example_weights(N, 600)))
    monkeypatch.setattr(bootstrap, "MOST_WEIGHTS", 7 * N + 3)
    monkeypatch.setattr(bootstrap, "MOST_KEPT", 0)
    parts = list(bootstrap.example_weights(N, 600))
    assert {len(part) for part in parts} == {7, 600 % 7}
    assert np.array_equal(np.vstack(parts), whole)


def test_a_perfect_auc_has_no_interval():
    """All resamples agree on 1, which is no certainty; a score that is the same for all examples has 1/2 alone."""
    labels = np.array([0] * 40 + [1] * 30)
    for scores, value in ((labels + 0.5, 1.0), (-labels, 0.0), (np.zeros(70), 0.5)):
        rows = {1: Evidence("test", (0,), {"label": labels, "score": scores[None]}, {})}
        sample = drawn(rows, AUC, LEGACY)[1]
        (interval,) = bootstrap.percentiles(sample.values, sample.draws)
        assert interval.value == value
        assert np.isnan([interval.low, interval.high]).all()


@pytest.mark.parametrize("measure", [auc(3), BALANCED_ACCURACY, LOG_LOSS, brier(3), ECE], ids=lambda m: m.name)
def test_half_precision_is_enough(measure: Measure):
    """Probabilities that are stored as float16 give the same numbers to three decimals."""
    columns = of(3)
    short = {**columns, "probability": columns["probability"].astype(np.float16)}
    assert measure.value(short) == pytest.approx(measure.value(columns), abs=2e-3)
    assert samples({1: evidence(short)}, measure)[1].values[0] == measure.value(short)
