"""Studies without classes: examples with errors, and numbers alone; what is measured, selected, tested and said."""
# ruff: noqa: RUF001 (the signs are what this file is about)

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import mean_absolute_error, roc_auc_score, root_mean_squared_error

from ablation.analysis import selection, study_analysis, study_statistics
from ablation.analysis.held_out import held_out
from ablation.errors import AblateError
from ablation.measures import classes, regression
from ablation.measures.classes import AUC
from ablation.measures.measure import Measure, scalar
from ablation.outcomes import Status
from ablation.report.build import RenderOptions, Report, build
from ablation.report.tables import latex
from ablation.statistics import bootstrap, intervals, tests
from ablation.store import result
from ablation.store.examples import Examples
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.study.grid import Grid, Trial

pytestmark = pytest.mark.unit

FACTORIAL = "[factorial]\ndropout = [0.0, 0.25]\nepochs = [1, 3]\n"
N = 60


def grid(folder: Path, **more: Any) -> Grid:
    (folder / "g.toml").write_text(FACTORIAL)
    return study_file.read(str(folder / "g.toml")).model_copy(update={"select_on": "val_mae"} | more)


LABELS = np.random.default_rng(0).normal(10, 3, N)
NOISE = np.random.default_rng(1).normal(size=(2, N))


def predicted(trial: Trial, split: str) -> Examples:
    """Errors that shrink from row to row; those of row 4 are the smallest."""
    own = np.random.default_rng([trial.row, trial.seed]).normal(0, 0.3, N)
    error = (1.5 - 0.25 * trial.row) * (NOISE[int(split == "test")] + own)
    return Examples({"label": LABELS, "predicted": LABELS + error})


def scored(trial: Trial, split: str) -> Examples:
    """A number alone, higher from row to row."""
    luck = np.random.default_rng([trial.row, trial.seed, split == "test"]).normal(0, 0.1)
    return Examples({}, {"score": 5.0 + trial.row + luck})


def concluded(folder: Path, record: Record) -> Report:
    """A study, selected, sealed and drawn."""
    place = Workspace(folder)
    results = study_analysis.collect(place, record)
    chosen = selection.select(place, record, results)
    sealed = selection.seal(place.study(record.name), chosen) if chosen else None
    return build(place, record, results, sealed, RenderOptions())


def numbers(folder: Path, **more: Any) -> Report:
    """A regression study, drawn."""
    record = synthetic.without_classes(synthetic.Numbers, grid(folder, **more), {"train": 90, "val": N, "test": N})
    synthetic.stated(folder, record, predicted)
    return concluded(folder, record)


def scalars(folder: Path, **more: Any) -> Report:
    """A study of numbers alone, drawn."""
    record = synthetic.without_classes(synthetic.Scalars, grid(folder, **{"select_on": "val_score"} | more), {})
    synthetic.stated(folder, record, scored)
    return concluded(folder, record)


def lines(drawing: Report, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(drawing.files[name])))


@pytest.fixture(scope="module")
def regressed(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return numbers(tmp_path_factory.mktemp("numbers"))


# ---- measures


def test_the_measures_of_images_are_those_of_study_files():
    """Every metric that a study file can select on is a measure, in the order of the tables."""
    assert tuple(classes.of_classes(6)) == ("accuracy", "macro_f1", "weighted_f1", "micro_f1", "loss")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.floats(0, 9)), min_size=1, max_size=40))
def test_values_of_examples_are_the_scores(rows: list[tuple[int, int, float]]):
    """Each measure of classes gives the number that `scores` counts, to the last bit."""
    labels, predicted, losses = (np.array(column) for column in zip(*rows, strict=True))
    columns = {"label": labels, "predicted": predicted, "loss": losses.astype(np.float32)}
    expected = classes.scores(labels, predicted, columns["loss"])
    assert {name: measure.value(columns) for name, measure in classes.of_classes(3).items()} == expected


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_auc_is_scikit_learns(rows: list[tuple[bool, int]]):
    """Ties count half; an area of one class alone is not defined."""
    labels, scores = (np.array(column) for column in zip(*rows, strict=True))
    area = AUC.value({"label": labels, "score": scores})
    if len(set(labels.tolist())) == 1:
        assert np.isnan(area)
    else:
        assert area == pytest.approx(roc_auc_score(labels, scores))


def test_errors_are_scikit_learns():
    """Mean absolute and root mean squared error, resampled too."""
    columns = dict(predicted(study_file.read("paper").trial(1, 0), "test").columns)
    mae, rmse = regression.mae(), regression.rmse()
    assert mae.value(columns) == pytest.approx(mean_absolute_error(*columns.values()))
    assert rmse.value(columns) == pytest.approx(root_mean_squared_error(*columns.values()))
    weights = np.vstack(list(bootstrap.example_weights(N, 20)))
    one_by_one = replace(rmse, resampled=None).resample([columns], weights)
    assert rmse.resample([columns], weights) == pytest.approx(one_by_one)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"kind": "ordinal"}, "kind: 'ordinal' is not allowed; allowed: binary, bounded, real, aggregate, scalar"),
     ({"best": "most"}, "best: 'most' is not allowed; allowed: high, low"),
     ({"kind": "real"}, "of per_example and aggregate, kind 'real' takes per_example"),
     ({"aggregate": len}, "kind 'scalar' takes neither")],
)  # fmt: skip
def test_a_measure_that_cannot_be_is_refused(wrong: dict[str, Any], says: str):
    """A measure with a wrong value is refused, and the message names the allowed ones."""
    with pytest.raises(AblateError, match=says):
        Measure("x", "x", **wrong)


@pytest.mark.parametrize("name", ["val_mape", "val_accuracy", "test_mape"])
def test_an_unknown_measure_is_an_error(tmp_path: Path, name: str):
    """An unknown measure is never taken for another one; the error names the known ones."""
    says = rf"study 'g': select_on: unknown measure '{name.partition('_')[2]}'; known: mae, rmse"
    with pytest.raises(AblateError, match=says):
        numbers(tmp_path, select_on=name)


# ---- examples with a score each


def test_the_lowest_error_is_selected(regressed: Report):
    """The direction of the measure holds wherever rows are ranked."""
    study = regressed.study
    assert study.sealed
    assert (study.sealed.row, study.sealed.metric) == (4, "val_mae")
    assert study.sealed.rule.startswith("lowest validation MAE")
    assert study.sealed.value == pytest.approx(study.finished(4)[0][1].scores["val"]["mae"])
    assert study.analysis.stability
    assert max(study.analysis.stability.shares, key=study.analysis.stability.shares.__getitem__) == 4
    assert study.analysis.stability.corrected == pytest.approx(study.analysis.stability.value, rel=0.1)


def test_columns_bear_the_names_of_measures(regressed: Report):
    """Table, contrasts and trials; nothing of classes, and no points of a percentage."""
    table, contrasts, trials = (lines(regressed, f"{name}.csv")[0].keys() for name in ("table", "contrasts", "trials"))
    bounds = [f"test_mae{over}_{bound}" for over in ("", "_seeds") for bound in ("low", "high")]
    assert {
        "val_mae",
        "test_mae",
        "test_rmse",
        "test_rmse_low",
        "delta_test_mae",
        "delta_test_mae_low",
        *bounds,
    } <= table
    assert {"delta_test_mae", "delta_test_rmse_high", "p", "p_holm"} <= contrasts
    assert {"best_epoch", "best_val_mae"} <= trials
    for columns in (table, contrasts, trials):
        assert not [name for name in columns if "accuracy" in name or "f1" in name or "_pp" in name or "right" in name]


def test_intervals_are_over_examples(regressed: Report):
    """Student's t of the absolute errors; the paired t test of their differences; the bootstrap of the RMSE."""
    rows, test = lines(regressed, "table.csv"), regressed.study.test
    errors = {r: np.abs(test[r].predicted[0] - test[r].labels) for r in test}
    reference = regressed.study.record.grid.reference
    for number, line in enumerate(rows, start=1):
        mean = stats.ttest_1samp(errors[number], 0).confidence_interval(0.95)
        assert (float(line["test_mae_low"]), float(line["test_mae_high"])) == pytest.approx(tuple(mean))
        assert float(line["test_rmse_low"]) < float(line["test_rmse"]) < float(line["test_rmse_high"])
        if number != reference:
            paired = stats.ttest_rel(errors[number], errors[reference])
            assert float(line["p"]) == pytest.approx(paired.pvalue)
            interval = tuple(float(line[f"delta_test_mae_{bound}"]) for bound in ("low", "high"))
            assert interval == pytest.approx(tuple(paired.confidence_interval(0.95)))
            assert line["ci_over"] == "examples"


def test_the_table_names_its_statistics(regressed: Report):
    """Unit and decimals are the measure's; captions and notes speak of examples."""
    text = regressed.files["table.md"]
    header = next(line for line in text.splitlines() if line.startswith("| #"))
    assert "Val (MAE, m)" in header
    assert "MAE (test, m)" in header
    assert "Δ (test MAE − °, m)" in header
    assert "60 test examples. One training per row (seed 0). Brackets: 95% intervals over test examples." in text
    assert "MAE: t interval over examples. RMSE: percentile bootstrap over examples, 10,000 resamples." in text
    assert "p: paired t test over examples against °, Holm over 3 rows." in text
    assert "Examples: 90 train, 60 validation, 60 test." in text
    mae = regressed.study.analysis.rows[4].primary.value
    assert f"{mae:.3f} [" in text
    assert "%" not in text.replace("95%", "").replace("95 %", "")


def test_nothing_of_images_is_said(regressed: Report):
    """No table, figure, warning or claim speaks of images, classes or accuracy; all are there that can be."""
    assert set(regressed.tables) == {"ablation", "contrasts", "effects", "selection", "costs", "review"}
    words = json.dumps([c.__dict__ for c in regressed.warnings]) + " ".join(regressed.claims)
    drawn = [text for name, text in regressed.files.items() if name.endswith((".md", ".tex"))]
    words += "".join(line for text in drawn for line in text.split("\n") if not line.startswith("The same in all rows"))
    assert not [word for word in ("image", "accuracy", "classes", " pp", "network") if word in words.lower()]
    assert {"BELOW_BASELINE", "IMBALANCE", "OVERFIT_GAP", "NO_GROUPS"}.isdisjoint(c.code for c in regressed.warnings)
    for key in ("contrasts", "cost", "levels"):
        assert f'id="figure-{key}"' in regressed.files["report.html"]
    assert "NaN" not in regressed.files["report.html"].partition("application/json")[2].partition("</script>")[0]


def test_claims_have_the_unit(regressed: Report):
    """A difference in metres is no percentage."""
    assert any(claim.startswith("On test its MAE is 0.") and "m (" in claim for claim in regressed.claims)
    assert any(
        "lowered test MAE in 2 of 2 matched pairs (-0." in claim and " m)" in claim for claim in regressed.claims
    )


def test_numbers_for_prose_have_the_measures_decimals(regressed: Report):
    """A difference has its sign, and none of them is a percentage."""
    text = regressed.files["macros.tex"]
    mae = regressed.study.analysis.rows[4].primary.value
    assert f"ablate@4.test_mae\\endcsname{{{mae:.3f}}}" in text
    assert "ablate@4.delta_test_mae\\endcsname{$-$0." in text or "ablate@4.delta_test_mae\\endcsname{$-0." in text
    assert latex._macro("delta_test_mae", -0.0001, 3, regression.mae()) == "0.000"


def test_from_three_seeds_on_errors_are_compared_over_seeds(tmp_path: Path):
    """Errors are compared as accuracies are: by paired t, and by the exact test as well."""
    drawing = numbers(tmp_path, seeds=(0, 1, 2))
    test, reference = drawing.study.test, drawing.study.record.grid.reference
    values = {r: np.abs(test[r].predicted - test[r].labels).mean(axis=1) for r in test}
    for number, line in enumerate(lines(drawing, "table.csv"), start=1):
        interval = stats.ttest_1samp(values[number], 0).confidence_interval(0.95)
        bounds = float(line["test_mae_seeds_low"]), float(line["test_mae_seeds_high"])
        assert bounds == pytest.approx((max(0.0, interval.low), interval.high))
        if number != reference:
            assert float(line["p"]) == pytest.approx(stats.ttest_rel(values[number], values[reference]).pvalue)
            assert (line["ci_over"], float(line["p_exact"])) == ("seeds", 0.25)
    assert "Brackets: 95% intervals over seeds." in drawing.files["table.md"]


def test_an_aggregate_can_be_the_primary_measure(tmp_path: Path):
    """The intervals and p values of an aggregate come from one bootstrap, which all rows share."""
    drawing = numbers(tmp_path, select_on="val_rmse")
    assert drawing.study.sealed
    assert drawing.study.sealed.row == 4
    for facts in drawing.study.analysis.rows.values():
        if facts.delta:
            assert facts.delta.over == "examples"
            assert (facts.delta.p < 0.05) == (not facts.delta.value.holds())
    assert "RMSE: percentile bootstrap over examples" in drawing.files["table.md"]
    assert "p: paired bootstrap test over examples against °" in drawing.files["table.md"]
    assert all(e.main and e.main.low <= e.main.value <= e.main.high for e in drawing.study.analysis.effects)


def test_the_bootstrap_test_is_level():
    """The test calls two equal rows different in about one study of twenty."""
    rng, rejected = np.random.default_rng(0), 0
    for _ in range(400):
        errors = np.abs(rng.normal(size=(2, 50)))
        columns = [{"label": np.zeros(50), "predicted": predicted} for predicted in errors]
        weights = np.vstack(list(bootstrap.example_weights(50, 500)))
        one, other = regression.rmse().resample(columns, weights)
        rejected += tests.bootstrap_p((other - one)[None])[0] < 0.05
    assert 0.03 <= rejected / 400 <= 0.08


def test_equal_errors_have_no_interval():
    """A width of 0 would claim certainty."""
    (interval,) = intervals.of_scores(np.full((1, 20), 3.7e8))
    assert interval.value == 3.7e8
    assert np.isnan(interval.low)


def test_a_measure_that_predictions_can_give_is_scored_again(tmp_path: Path):
    """A result that states MAE alone, because RMSE came later, has both, and can be selected by either."""
    record = synthetic.without_classes(synthetic.Numbers, grid(tmp_path, select_on="val_rmse"), {"val": N, "test": N})
    synthetic.stated(tmp_path, record, predicted, keep=["mae"])
    results = study_analysis.done(study_analysis.collect(Workspace(tmp_path), record))
    for trial, stated in results.items():
        columns = predicted(trial, "val").columns
        assert stated.scores["val"] == {name: pytest.approx(m.value(columns)) for name, m in record.measures.items()}
    assert selection.select(Workspace(tmp_path), record, results)


def test_rows_with_other_examples_are_not_paired(tmp_path: Path):
    """One label differs: its row has a number, and no difference."""
    record = synthetic.without_classes(synthetic.Numbers, grid(tmp_path), {"val": N, "test": N})

    def said(trial: Trial, split: str) -> Examples:
        columns = dict(predicted(trial, split).columns)
        if trial.row == 3 and split == "test":
            columns["label"] = np.append(columns["label"][:-1], 0.0)
        return Examples(columns)

    synthetic.stated(tmp_path, record, said)
    rows = concluded(tmp_path, record).study.analysis.rows
    assert rows[3].primary.over_examples
    assert (rows[3].delta, rows[3].not_different) == (None, None)
    assert rows[4].delta


# ---- numbers alone


def test_numbers_alone_have_no_interval(tmp_path: Path):
    """Numbers of one seed are not tested, and the table says so; the best row is selected all the same."""
    drawing = scalars(tmp_path)
    assert drawing.study.selected == 4
    for line in lines(drawing, "table.csv"):
        assert line["test_score"]
        assert not any(line[name] for name in ("test_score_low", "test_score_seeds_low", "p", "ci_over", "n_test"))
    text = drawing.files["table.md"]
    assert "No intervals: each trial states its number alone, and intervals over seeds begin at 3 seeds." in text
    assert "score: no interval. Δ: of the numbers alone, untested." in text.replace("Score", "score")
    assert "significantly" not in " ".join(drawing.claims)
    assert "selection" not in drawing.tables
    codes = [caveat.code for caveat in drawing.warnings]
    assert "SINGLE_SEED" in codes
    assert "NaN" not in drawing.files["report.html"].partition("application/json")[2].partition("</script>")[0]


def test_numbers_alone_are_compared_over_seeds(tmp_path: Path):
    """Numbers alone have, from three seeds on, the statistics of other numbers."""
    drawing = scalars(tmp_path, seeds=(0, 1, 2, 3))
    reference = drawing.study.record.grid.reference
    for facts in drawing.study.analysis.rows.values():
        assert facts.primary.over_seeds
        assert facts.primary.over_examples is None
        if facts.row != reference:
            assert facts.delta
            assert facts.delta.over == "seeds"
            assert facts.delta.p_exact == 2 / 2**4
    assert all(e.over == "seeds" and e.main for e in drawing.study.analysis.effects)
    assert "Brackets: 95% intervals over seeds." in drawing.files["table.md"]


def test_numbers_that_no_seed_moves_have_no_interval(tmp_path: Path):
    """An experiment without chance in it gives each seed the same number: a width of 0 would claim certainty."""
    record = synthetic.without_classes(synthetic.Scalars, grid(tmp_path, select_on="val_score", seeds=(0, 1, 2)), {})
    synthetic.stated(tmp_path, record, lambda trial, split: Examples({}, {"score": 5.0 + trial.row}))
    drawing = concluded(tmp_path, record)
    reference = drawing.study.record.grid.reference
    for facts in drawing.study.analysis.rows.values():
        assert np.isnan(facts.primary.interval.low)
        if facts.row != reference:
            assert facts.delta
            assert np.isnan(facts.delta.value.low)
            assert facts.delta.p == tests.smallest_attainable_p(3)
    assert "NaN" not in drawing.files["report.html"].partition("application/json")[2].partition("</script>")[0]


def test_test_numbers_are_sealed(tmp_path: Path):
    """Numbers alone too lie in a file that only a selection opens."""
    record = synthetic.without_classes(synthetic.Scalars, grid(tmp_path, select_on="val_score"), {})
    synthetic.stated(tmp_path, record, scored)
    place = Workspace(tmp_path)
    drawing = build(place, record, study_analysis.collect(place, record), None, RenderOptions())
    assert {line["test_score"] for line in lines(drawing, "table.csv")} == {""}
    assert {line["val_score"] for line in lines(drawing, "table.csv")} != {""}
    trial = next(record.grid.trials())
    path = place.training(record.training_key(trial)).predictions("test", trial.step)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AblateError, match="missing or changed"):
        concluded(tmp_path, record)


# ---- nothing is selected


@pytest.mark.parametrize("kind", [synthetic.Numbers, synthetic.Scalars])
def test_without_a_selection_test_is_opened_at_the_end(tmp_path: Path, kind: type[Record]):
    """Test is opened once every trial has ended, and not before; selection.json says that no row was selected."""
    record = synthetic.without_classes(kind, grid(tmp_path, select_on="none"), {"val": N, "test": N})
    synthetic.stated(tmp_path, record, predicted if kind is synthetic.Numbers else scored)
    place, last = Workspace(tmp_path), list(record.grid.trials())[-1]
    folder = place.training(record.training_key(last))
    folder.result(last.step).unlink()
    assert concluded(tmp_path, record).study.sealed is None
    assert not place.study("g").selection.exists()
    result.write(folder, Result(Status.DIVERGED, last.step))
    drawing = concluded(tmp_path, record)
    stored = json.loads(place.study("g").selection.read_text())
    assert (stored["row"], stored["value"], stored["trials"]) == (None, None, [])
    assert selection.read(place, record) == drawing.study.sealed
    name = next(iter(record.measures))
    assert all(line[f"test_{name}"] for line in lines(drawing, "table.csv")[: last.row - 1])
    assert {line["selected"] for line in lines(drawing, "table.csv")} == {"False"}
    assert "Nothing is selected: test is opened when every trial has ended." in drawing.files["table.md"]
    assert drawing.claims[0] == "Nothing is selected: test is opened when every trial has ended."
    assert "★" not in drawing.files["table.md"]
    opened = held_out(place, drawing.study)
    assert opened
    assert opened.selected is None


def test_a_study_that_grows_after_its_test_was_opened_says_so(tmp_path: Path):
    """A study that grows after its test was opened has a warning, though no row was selected."""
    small = grid(tmp_path, select_on="none")
    parts = [
        small.model_copy(update={"rows": small.rows[:n], "labels": ("",) * n, "published": ({},) * n}) for n in (3, 4)
    ]
    for part in parts:
        record = synthetic.without_classes(synthetic.Numbers, part, {"val": N, "test": N})
        synthetic.stated(tmp_path, record, predicted)
        drawing = concluded(tmp_path, record)
    warning = next(c for c in drawing.warnings if c.code == "TEST_OPENED_BEFORE_SELECTION")
    assert warning.fact == (
        "Test results were seen with nothing selected, and the study's trials have changed since; nothing is selected "
        "now."
    )
    assert "Opened again: test results were seen with nothing selected" in drawing.files["table.md"]


# ---- classes of another experiment


class Labels(synthetic.Numbers):
    """A study of an experiment that predicts labels, and knows nothing of images."""

    @property
    def measures(self) -> dict[str, Measure]:
        return dict(classes.of_classes())


def labelled(trial: Trial, split: str) -> Examples:
    labels, rng = np.arange(N) % 3, np.random.default_rng([trial.row, split == "test"])
    right = rng.random(N) < 0.5 + 0.1 * trial.row
    predicted = np.where(right, labels, (labels + 1) % 3)
    return Examples({"label": labels, "predicted": predicted, "loss": np.where(right, 0.2, 2.0)})


def test_labels_are_tested_as_right_or_wrong(tmp_path: Path):
    """McNemar's test and Wilson's interval need no images; each measure has its own unit and its own interval."""
    record = synthetic.without_classes(Labels, grid(tmp_path, select_on="val_accuracy"), {"val": N, "test": N})
    synthetic.stated(tmp_path, record, labelled)
    drawing = concluded(tmp_path, record)
    for facts in drawing.study.analysis.rows.values():
        right = round(facts.primary.value * N)
        assert facts.primary.over_examples == intervals.wilson(right, N)
        assert facts.delta is None or facts.delta.against
        assert all(score.over_examples for score in facts.others.values())
    text = drawing.files["table.md"]
    for heading in ("Acc. (%)", "Macro-F1 (%)", "Loss (nats)", "Val (accuracy, %)", "Δ (test acc. − °, pp)"):
        assert heading in text
    assert "p: exact McNemar against °, Holm over 3 rows; interval and test may disagree near 5 %." in text
    assert {"only_first_right", "delta_test_accuracy_pp", "delta_test_loss"} <= lines(drawing, "table.csv")[0].keys()
    assert "selected" not in drawing.tables


class Timed(synthetic.Numbers):
    """A study whose trials have errors, and state a number as well."""

    @property
    def measures(self) -> dict[str, Measure]:
        return {"mae": regression.mae(), "latency": scalar("latency", unit="ms", decimals=1, best="low")}


def test_a_row_may_lack_a_further_measure(tmp_path: Path):
    """A row without a further measure keeps its other numbers; the measure has differences where two rows state it."""
    record = synthetic.without_classes(Timed, grid(tmp_path, seeds=(0, 1, 2)), {"val": N, "test": N})

    def stated(trial: Trial, split: str) -> Examples:
        return Examples(predicted(trial, split).columns, {} if trial.row == 2 else {"latency": 7.0 + trial.seed})

    synthetic.stated(tmp_path, record, stated)
    drawing = concluded(tmp_path, record)
    rows = drawing.study.analysis.rows
    assert [row for row, facts in rows.items() if "latency" in facts.others] == [1, 3, 4]
    assert all(facts.primary.over_seeds for facts in rows.values())
    assert rows[2].delta
    assert rows[2].delta.others["latency"] is None
    assert rows[3].delta
    assert rows[3].delta.others["latency"]
    cells = next(line for line in drawing.files["table.md"].splitlines() if line.startswith("| 2 "))
    assert [cell.strip() for cell in cells.split("|")][6] == "–"


def test_very_large_sets_are_bootstrapped_on_request_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An aggregate of very many examples, whose resamples take hours, has no interval, and a note names the option."""
    monkeypatch.setattr(study_statistics, "BOOTSTRAP_EXAMPLES", N - 1)
    drawing = numbers(tmp_path)
    rows = drawing.study.analysis.rows.values()
    assert all(facts.others["rmse"].over_examples is None for facts in rows)
    assert "RMSE: no interval (--intervals all)." in drawing.files["table.md"]
