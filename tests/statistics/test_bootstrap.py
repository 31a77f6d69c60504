"""Percentile intervals of the bootstrap: none without width, and one interval for one number."""

import numpy as np
import pytest
import synthetic
from sklearn.metrics import f1_score

from ablation.analysis import selection
from ablation.analysis.study_analysis import collect, done
from ablation.report.build import RenderOptions, Report, rebuild
from ablation.report.tables import per_class
from ablation.statistics import bootstrap, tests
from ablation.statistics.intervals import wilson
from ablation.store.workspace import Workspace
from ablation.study import study_file

pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings("error")]

SMALL = (14, 20, 2)  # test images of each class: a resample lacks the last one in 13 % of cases


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A study as small as the demo, with a class of two test images."""
    place = tmp_path_factory.mktemp("small")
    (place / "g.toml").write_text("[factorial]\ndropout = [0.0, 0.5]\n")
    grid = study_file.read(str(place / "g.toml"))
    accuracy = {1: (0.9, 0.8, 0.8), 2: (0.9, 0.7, 0.7)}
    record = synthetic.study(place / "runs", grid, accuracy, support=SMALL, classes=("a", "b", "c"))
    workspace = Workspace(place / "runs")
    chosen = selection.select(workspace, record, done(collect(workspace, record)))
    assert chosen
    selection.seal(workspace.study("g"), chosen)
    return rebuild(workspace, "g", RenderOptions())


def test_macro_f1_has_one_interval(drawing: Report):
    """The ablation table and the table of the selected row print the same interval, where a class is small too."""
    study = drawing.study
    assert study.sealed
    selected = study.sealed.row
    answers = study.test[selected]
    rows = per_class._class_rows(answers.labels, answers.predicted[0], study.record.inputs.classes)
    assert rows[3][0] == "macro average"
    assert rows[3][3] == study.analysis.rows[selected].others["macro_f1"].over_examples
    weights = np.vstack(list(bootstrap.example_weights(len(answers.labels), 200)))
    lacking = weights[:, answers.labels == 2].sum(axis=1) == 0
    assert lacking.any()
    _, macro = bootstrap.class_f1_draws(answers.labels, answers.predicted[0], 3)
    for sample in np.flatnonzero(lacking)[:5]:  # scikit-learn's, over the classes that the sample has
        places = np.repeat(np.arange(len(answers.labels)), weights[sample].astype(int))
        drawn = answers.labels[places], answers.predicted[0][places]
        expected = f1_score(*drawn, labels=np.unique(drawn[0]), average="macro")
        assert macro[sample] == pytest.approx(expected, rel=1e-6)


def test_a_resample_without_a_class_is_no_f1_of_0():
    """Two of two right: the F1 is never below that of the resamples that have one of them."""
    labels = np.array([0] * 20 + [1] * 14 + [2] * 2)
    predicted = labels.copy()
    predicted[0] = 2  # one wrong prediction of the small class
    draws, _ = bootstrap.class_f1_draws(labels, predicted, 3)
    assert np.isnan(draws[2]).mean() == pytest.approx((34 / 36) ** 36, abs=0.01)
    assert np.nanmin(draws[2]) > 0
    (line,) = (row for row in per_class._class_rows(labels, predicted, ("a", "b", "c")) if row[0] == "c")
    assert line[2] == wilson(2, 2)
    assert line[3].low > 0.3
    assert (line[3].low, line[3].high) == pytest.approx(tuple(np.nanpercentile(draws[2], [2.5, 97.5])))


def test_the_f1_of_a_perfect_class_has_no_interval():
    """The number has no interval, and a note says why; the recall has Wilson's interval."""
    labels = np.array([0] * 20 + [1] * 14 + [2] * 2)
    predicted = np.where(labels == 1, 0, labels)
    rows = per_class._class_rows(labels, predicted, ("a", "b", "c"))
    assert (rows[1][3].value, rows[2][3].value) == (0, 1)
    assert all(np.isnan([rows[k][3].low, rows[k][3].high]).all() for k in (1, 2))
    assert rows[2][2].low == pytest.approx(wilson(2, 2).low)
    assert per_class.NO_INTERVAL in per_class._class_notes(labels, ("a", "b", "c"), rows)
    wrong = predicted.copy()
    wrong[[15, 25, 34]] = [1, 1, 0]
    mixed = per_class._class_rows(labels, wrong, ("a", "b", "c"))
    assert per_class.NO_INTERVAL not in per_class._class_notes(labels, ("a", "b", "c"), mixed)


def test_a_bootstrap_without_width_is_no_interval():
    """Equal draws, or nearly all equal, have no bounds; undefined draws are left out."""
    rng = np.random.default_rng(0)
    varied = rng.normal(size=1_000).astype(np.float32)
    nearly = np.r_[np.zeros(5), np.ones(995)]
    lacking = np.where(np.arange(1_000) % 4, varied, np.nan)
    rounded = (1_000 + 1e-4 * varied).astype(np.float32)
    draws = np.stack([np.ones(1_000), nearly, rounded, np.full(1_000, np.nan), varied, lacking])
    bounds = [(interval.low, interval.high) for interval in bootstrap.percentiles(np.arange(6.0), draws)]
    assert np.isnan(bounds[:4]).all()
    assert bounds[4] == pytest.approx(tuple(np.percentile(varied, [2.5, 97.5])))
    assert bounds[5] == pytest.approx(tuple(np.nanpercentile(lacking, [2.5, 97.5])))


def test_draws_without_variance_test_nothing():
    """A difference that is the same in all resamples has no p; rows that never differ have p = 1."""
    rng = np.random.default_rng(0)
    varied = rng.normal(1.0, 1.0, 2_000)
    lacking = np.where(np.arange(2_000) < 1_000, varied, np.nan)
    p = tests.bootstrap_p(np.stack([np.full(2_000, 0.5), np.zeros(2_000), varied, lacking, np.full(2_000, np.nan)]))
    assert np.isnan([p[0], p[4]]).all()
    assert p[1] == 1
    assert p[2] == pytest.approx(2 * ((varied <= 0).sum() + 1) / 2_001)
    assert p[3] == pytest.approx(2 * ((varied[:1_000] <= 0).sum() + 1) / 1_001)
