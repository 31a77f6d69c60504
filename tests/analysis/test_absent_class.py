"""A split that lacks a class: macro-F1 is one number everywhere, over the classes that have images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic
from sklearn.metrics import f1_score

from ablation.analysis import external_evaluation, held_out, selection
from ablation.analysis.external_evaluation import ExternalEvaluation
from ablation.analysis.study_analysis import collect, done, gather
from ablation.measures import classes
from ablation.model.diagnostic import Diagnostic
from ablation.report.build import RenderOptions, Report, rebuild
from ablation.report.tables import dataframes, latex, per_class
from ablation.statistics import bootstrap
from ablation.store import result
from ablation.store.files import read_json, write_json
from ablation.store.workspace import Workspace
from ablation.study import study_file

pytestmark = pytest.mark.unit

COUNTS = {"train": (90, 90, 90), "val": (30, 40, 0), "test": (50, 60, 0)}
OVER = "over the classes that have images"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two rows; validation and test lack class c, which the rows predict now and then."""
    place = tmp_path_factory.mktemp("absent")
    (place / "g.toml").write_text('select_on = "val_macro_f1"\n[factorial]\ndropout = [0.0, 0.5]\n')
    grid = study_file.read(str(place / "g.toml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "counts", lambda support: COUNTS)
        accuracy = {1: (0.9, 0.7, 0.6), 2: (0.9, 0.6, 0.5)}
        record = synthetic.study(place / "runs", grid, accuracy, classes=("a", "b", "c"))
    workspace = Workspace(place / "runs")
    chosen = selection.select(workspace, record, done(collect(workspace, record)))
    assert chosen
    selection.seal(workspace.study("g"), chosen)
    return workspace


@pytest.fixture(scope="module")
def drawing(place: Workspace) -> Report:
    return rebuild(place, "g", RenderOptions())


def test_macro_f1_is_the_same_in_every_table(drawing: Report):
    """Table, selected row and scikit-learn agree, the interval too; the bootstrap is the same one."""
    study = drawing.study
    selected = study.sealed.row
    answers, facts = study.test[selected], study.analysis.rows[selected]
    assert (answers.predicted == 2).any()
    expected = f1_score(answers.labels, answers.predicted[0], labels=[0, 1], average="macro")
    trials = dataframes.trials(study.record, study.results, held_out.scores(study))
    rows = dataframes.rows(study.record, trials, study.sealed, study.analysis.rows)
    average = per_class._class_rows(answers.labels, answers.predicted[0], study.record.inputs.classes)[3]
    assert average[0] == "macro average"
    macro_f1 = facts.others["macro_f1"].over_examples
    assert rows.test_macro_f1[selected - 1] == macro_f1.value == average[3].value == pytest.approx(expected)
    assert average[3] == macro_f1
    assert rows.test_macro_f1_low[selected - 1] == average[3].low
    assert latex.macros(rows, drawing.tables["ablation"], study.record.detailed).count(f"{{{100 * expected:.1f}}}") == 1


def test_the_definition_is_named(drawing: Report):
    """The definition is named by each table that prints a macro-F1, and by the warning."""
    for name in ("table.md", "table.tex"):
        assert f"Macro-F1 is {OVER}." in drawing.files[name].replace("$F_1$", "F1")
    assert f"Averages are {OVER}." in drawing.files["tables/selected.md"]
    warning: Diagnostic = next(caveat for caveat in drawing.warnings if caveat.code == "CLASS_ABSENT")
    assert OVER in warning.consequence


def test_a_whole_split_needs_no_word(tmp_path: Path):
    """The definition is in no file where each class has images."""
    (tmp_path / "g.toml").write_text("[[rows]]\n")
    grid = study_file.read(str(tmp_path / "g.toml"))
    record = synthetic.study(tmp_path / "runs", grid, {1: (0.9, 0.7, 0.6)}, support=(30, 30), classes=("a", "b"))
    workspace = Workspace(tmp_path / "runs")
    chosen = selection.select(workspace, record, done(collect(workspace, record)))
    assert chosen
    selection.seal(workspace.study("g"), chosen)
    assert not any(OVER in content for content in rebuild(workspace, "g", RenderOptions()).files.values())


def test_validation_scores_of_version_0_1_0_are_counted_anew(place: Workspace, drawing: Report):
    """A macro-F1 that version 0.1.0 stored with absent classes as 0 is not used: selection and tables compute
    today's."""
    record = drawing.study.record
    before = {t: r.scores["val"] for t, r in done(collect(place, record)).items()}
    for trial in before:
        path = place.training(record.training_key(trial)).result(trial.step)
        stored: Any = read_json(path)
        stored["scores"]["val"]["macro_f1"] = 0.1 * trial.row
        write_json(path, stored)
        assert result.read_file(path).scores["val"]["macro_f1"] == 0.1 * trial.row
    assert {t: r.scores["val"] for t, r in done(collect(place, record)).items()} == before
    assert rebuild(place, "g", RenderOptions()).files["table.csv"] == drawing.files["table.csv"]
    anew = selection.select(place, record, done(collect(place, record)))
    assert anew
    assert (anew.row, anew.value) == (1, pytest.approx(before[next(record.grid.trials())]["macro_f1"]))


def test_validation_scores_stay_where_no_class_is_absent(tmp_path: Path):
    """Tables print the validation scores that a training stored; its predictions are not read for them."""
    (tmp_path / "g.toml").write_text("[[rows]]\n")
    grid = study_file.read(str(tmp_path / "g.toml"))
    record = synthetic.study(tmp_path, grid, {1: (0.9, 0.7, 0.6)}, support=(30, 30), classes=("a", "b"))
    trial = next(grid.trials())
    folder = Workspace(tmp_path).training(record.training_key(trial))
    folder.predictions("val", trial.step).unlink()
    assert collect(Workspace(tmp_path), record)[trial] == result.read(folder, trial.step)


def test_other_images_that_lack_a_class(tmp_path: Path):
    """The macro-F1 in an evaluation.json of version 0.1.0, which has another definition, is computed anew."""
    folder = Workspace(tmp_path).study("g")
    labels, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 2, 1, 1])
    counts = external_evaluation.counted(labels, predicted, 3)
    old = ExternalEvaluation(
        name="photos", data="/photos", split="all", row=1, seed=0, trial="t", measured=0.0, images=5,
        classes=("a", "b", "c"), scores={"accuracy": 0.8, "macro_f1": 0.6, "loss": 1.0}, confusion=counts,
        test=counts, train=(9, 9, 9),
    )  # fmt: skip
    external_evaluation.write(folder, old)
    (evaluation,) = external_evaluation.read_all(folder)
    expected = f1_score(labels, predicted, labels=[0, 1], average="macro")
    assert evaluation.scores == {"accuracy": 0.8, "macro_f1": pytest.approx(expected), "loss": 1.0}
    assert f"macro-F1 {100 * expected:.1f} %" in next(external_evaluation.sentences(evaluation))


def test_a_resample_that_lacks_a_class_leaves_it_out():
    """Two right images of a class of two: a sample without them is no evidence of an F1 of 0."""
    labels, predicted = np.array([0] * 8 + [1] * 2), np.array([0] * 8 + [1] * 2)
    _, macro = bootstrap.class_f1_draws(labels, predicted, 2)
    assert macro.min() == macro.max() == 1
    assert np.array_equal(macro, bootstrap.draws(lambda w: classes.f1(w, labels, predicted[None], 2), 1, 10)[0])


def test_the_selection_is_resampled_by_the_same_definition(place: Workspace, drawing: Report):
    """The stability of a selection without any resampling has the metric that rows are selected by."""
    analysis = gather(place, drawing.study.record, collect(place, drawing.study.record), drawing.study.sealed)
    for row, answers in analysis.val.items():
        once = np.ones((1, len(answers.labels)), np.float32)
        value = classes.f1(once, answers.labels, answers.predicted, 3)[0, 0]
        assert value == pytest.approx(analysis.finished(row)[0][1].scores["val"]["macro_f1"])
