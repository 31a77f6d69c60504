"""What a trial returns gives its measures: by its columns, its numbers, and the task of the study."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from ablation.errors import AblateError
from ablation.measures import names
from ablation.measures.class_columns import class_names, coded
from ablation.measures.from_columns import measures_of
from ablation.measures.measure import BINARY, REAL, Columns
from ablation.statistics import bootstrap

pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings("error")]

TEXTS = np.array(["cat", "dog", "cat", "eel", "dog", "eel"])
PREDICTED = np.array(["cat", "cat", "cat", "eel", "dog", "dog"])
RAW = np.random.default_rng(0).random((6, 3))
PROBABILITY = RAW / RAW.sum(axis=1, keepdims=True)
CLASSES = ["accuracy", "balanced_accuracy", "macro_f1"]
PROBABILITIES = ["log_loss", "brier", "auc", "ece"]
WHOLE = {"label": np.array([0, 1, 2, 1]), "predicted": np.array([0, 2, 2, 1])}
BINARY_LABELS = np.array([0, 1, 1, 0, 1, 0])


@pytest.mark.parametrize(
    ("columns", "task", "expected"),
    [({"label": TEXTS, "predicted": PREDICTED}, None, CLASSES),
     ({"label": TEXTS, "probability": PROBABILITY}, None, [*CLASSES, *PROBABILITIES]),
     ({"label": BINARY_LABELS, "probability": RAW[:, 0]}, None, [*CLASSES, *PROBABILITIES]),
     ({"label": BINARY_LABELS > 0, "predicted": BINARY_LABELS > 0}, None, CLASSES),
     ({"label": BINARY_LABELS, "score": RAW[:, 0]}, "classes", ["auc"]),
     ({"label": BINARY_LABELS, "score": RAW[:, 0]}, None, ["score"]),
     (WHOLE, "classes", CLASSES),
     (WHOLE, "numbers", ["rmse", "mae", "r2"]),
     ({**WHOLE, "seconds": np.arange(4.0)}, "classes", [*CLASSES, "seconds"]),
     ({**WHOLE, "predicted": np.arange(4.0)}, None, ["rmse", "mae", "r2"]),
     ({"id": np.arange(4), "group": np.arange(4), "correct": np.array([0, 1, 1, 0])}, None, ["correct"]),
     ({"label": np.arange(4), "reward": np.arange(4), "note": np.array(["x"] * 4)}, None, ["reward"]),
     ({**WHOLE, "score": np.arange(4.0)}, "scores", ["score"]),
     (WHOLE, "scalars", []),
     ({}, None, [])],
)  # fmt: skip
def test_columns_decide_the_measures(columns: Columns, task: str | None, expected: list[str]):
    """Each task has its measures; other columns of numbers are scores; the numbers of the trial come last."""
    measures = measures_of(columns, {"val_fid": 3.0}, task)
    assert list(measures) == [*expected, "fid"]
    assert all(name == measure.name for name, measure in measures.items())


def test_texts_are_classes():
    """The measures of texts are scikit-learn's, with probabilities named by class in any order."""
    order = [2, 0, 1]
    named = {f"probability_{('cat', 'dog', 'eel')[k]}": PROBABILITY[:, k] for k in order}
    columns = {"label": TEXTS, "predicted": PREDICTED, **named}
    measures, classes = measures_of(columns, {}), class_names(columns, "val")
    assert classes == ("eel", "cat", "dog")
    read = coded(columns, classes, "val")
    values = {name: measure.value(read) for name, measure in measures.items()}
    assert values == pytest.approx({
        "accuracy": metrics.accuracy_score(TEXTS, PREDICTED),
        "balanced_accuracy": metrics.balanced_accuracy_score(TEXTS, PREDICTED),
        "macro_f1": metrics.f1_score(TEXTS, PREDICTED, average="macro"),
        "log_loss": metrics.log_loss(TEXTS, PROBABILITY, labels=["cat", "dog", "eel"]),
        "brier": metrics.brier_score_loss(TEXTS, PROBABILITY, labels=["cat", "dog", "eel"]),
        "auc": metrics.roc_auc_score(TEXTS, PROBABILITY, multi_class="ovr"),
        "ece": values["ece"],
    })  # fmt: skip


@pytest.mark.parametrize(
    "labels",
    [BINARY_LABELS, 2 * BINARY_LABELS - 1, BINARY_LABELS > 0, BINARY_LABELS.astype(float),
     np.array(["no", "yes"])[BINARY_LABELS]],
)  # fmt: skip
def test_two_classes_in_any_form(labels: np.ndarray):
    """0 and 1, -1 and 1, truth values, texts: the probability belongs to the second class."""
    columns = {"label": labels, "probability": RAW[:, 0]}
    read = coded(columns, class_names(columns, "val"), "val")
    assert read["label"].tolist() == BINARY_LABELS.tolist()
    measures = measures_of(columns, {}, "classes")
    assert measures["auc"].value(read) == pytest.approx(metrics.roc_auc_score(BINARY_LABELS, RAW[:, 0]))
    assert measures["accuracy"].value(read) == ((RAW[:, 0] > 0.5) == BINARY_LABELS).mean()


def test_a_class_that_another_trial_names_is_counted_after_the_others():
    """A prediction of an unknown class is wrong; labels are counted alike in all rows."""
    names = class_names({"label": TEXTS, "predicted": PREDICTED}, "val")
    label = np.array(["cat", "emu", "dog"])
    one = coded({"label": label, "predicted": np.array(["ape", "emu", "dog"])}, names, "test")
    other = coded({"label": label, "predicted": label}, names, "test")
    assert one["label"].tolist() == other["label"].tolist() == [0, 3, 1]
    assert one["predicted"].tolist() == [4, 3, 1]


WRONG: list[tuple[dict[str, Any], str | None, str]] = [
    (WHOLE, None, r'whole numbers, which may be classes or amounts; set \[experiment\] task = "classes" or "numbers"'),
    ({"label": TEXTS, "predicted": np.arange(6)}, None, "one of label and predicted holds texts, the other numbers"),
    ({"label": TEXTS}, "classes", 'task = "classes" needs the columns label and predicted, probability or score'),
    ({"label": TEXTS, "predicted": TEXTS}, "numbers", 'task = "numbers" needs numbers in label and predicted; wrong'),
    ({"label": TEXTS, "score": np.arange(6)}, "classes", "score belongs to two classes, and label names 3"),
    ({"label": np.array([0, 1.5]), "predicted": np.array([0, 1])}, "classes", "label holds fractions"),
    ({"label": BINARY_LABELS, "probability": 3 * RAW[:, 0]}, None, "probability holds numbers outside 0 to 1"),
    ({"label": TEXTS, "probability": PROBABILITY / 2}, None, "must have the sum 1"),
    ({"label": TEXTS[:2], "probability": PROBABILITY[:2]}, None,
     r"probability is of 3 classes, but label and predicted name 2 \(cat, dog\); return one column probability_"),
    ({"label": TEXTS, "probability_cat": RAW[:, 0], "probability_dog": 1 - RAW[:, 0]}, None,
     "label 'eel' has no probability; classes: cat, dog"),
    ({"reward": RAW}, None, r"column 'reward' has the shape \(6, 3\); allowed: one number per example"),
    ({"label": TEXTS, "predicted": TEXTS, "accuracy": np.ones(6)}, None, "column 'accuracy' has the name of a "),
    ({"id": np.arange(3)}, None, "neither columns nor numbers that measure anything"),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "task", "says"), WRONG)
def test_columns_that_do_not_fit_are_refused(columns: Columns, task: str | None, says: str):
    """One line says what is wrong and what to do."""
    with pytest.raises(AblateError, match=f"^cats.py:train: .*{says}") as error:
        measures_of(columns, {}, task, "cats.py:train")
    assert "\n" not in str(error.value)


def test_scores_are_means():
    """A column of 0 and 1 is a share of correct examples, one of other numbers a mean; the name gives the direction."""
    columns = {"correct": np.array([1, 0, 1, 1]), "val_like": np.arange(4.0), "latency": np.array([0.0, 1.0, 1.0, 1.0])}
    measures = measures_of(columns, {})
    correct, other, latency = measures.values()
    assert (correct.kind, correct.title, correct.shown(correct.value(columns), 1)) == (
        BINARY,
        "share correct",
        "75.0 %",
    )
    assert (other.kind, other.title, other.directed, other.value(columns)) == (REAL, "val like", False, 1.5)
    assert (latency.kind, latency.best, latency.directed) == (BINARY, "low", True)
    with pytest.raises(AblateError, match="'correct' holds other numbers than 0 and 1, unlike on validation"):
        correct.value({"correct": np.array([0.5, 1])})


@pytest.mark.parametrize(
    ("name", "expected"),
    [("acc", ("accuracy", "%", "high")), ("clean_acc", ("clean accuracy", "%", "high")),
     ("loss", ("loss", "", "low")),
     ("f1_macro", ("macro-F1", "%", "high")), ("mel.error", ("mel error", "%", "low")), ("RMSE", ("RMSE", "", "low")),
     ("roc_auc", ("AUC", "", "high"))],
)  # fmt: skip
def test_known_names_have_their_meaning(name: str, expected: tuple[str, str, str]):
    """The last words of a name give its meaning, as whole words."""
    measure = names.meaning(name)
    assert measure
    assert (measure.name, measure.title, measure.unit, measure.best) == (name, *expected)


@pytest.mark.parametrize("name", ["fid", "account", "accuracy_drop", "lossless", "vectors", "_"])
def test_other_names_have_none(name: str):
    """Part of a word is no match; neither is a word in front."""
    assert names.meaning(name) is None
    measure = measures_of({}, {f"val_{name}": 1.0})[name]
    assert not measure.directed
    assert not measure.selects


def test_numbers_are_measures_of_their_splits():
    """A number without a split is a cost; one that is no fraction is not shown in percent."""
    numbers = {"train_loss": 1.0, "val_loss": 2.0, "val_acc": 91.5, "test_auc": 0.5, "latency": 3.0, "memory": 7.0}
    measures = measures_of({}, numbers)
    assert {name: measure.splits for name, measure in measures.items()} == {
        "loss": ("train", "val", "test"), "acc": ("val", "test"), "auc": ("val", "test"), "latency": (), "memory": (),
    }  # fmt: skip
    assert measures["acc"].shown(91.5) == "91.500"
    assert not measures["latency"].selects
    assert measures["memory"].best == "low"
    with pytest.raises(AblateError, match="x: latency is a number of no split, and of a split too; rename one of them"):
        measures_of({}, {"latency": 1.0, "val_latency": 1.0}, where="x")


def test_a_number_of_a_computed_measure_adds_its_split():
    """Accuracy on train, a number, is added to the accuracy that follows from the columns."""
    measures = measures_of({"label": TEXTS, "predicted": PREDICTED}, {"train_accuracy": 0.9, "val_accuracy": 0.6})
    assert list(measures) == CLASSES
    assert measures["accuracy"].kind == BINARY
    assert measures["accuracy"].splits == ("train", "val", "test")


def test_the_measures_of_columns_can_be_resampled():
    """The measures that `measures_of` returns work on the columns as read, for all kinds."""
    columns = {"label": TEXTS, "predicted": PREDICTED, "probability": PROBABILITY, "steps": np.arange(6)}
    read = coded(columns, class_names(columns, "val"), "val")
    weights = np.vstack(list(bootstrap.example_weights(6, 50, strata=read["label"])))
    for measure in measures_of(columns, {}).values():
        assert measure.follows_from(read)
        if measure.resampled:
            assert np.isfinite(measure.resample([read], weights)).all()
        elif measure.per_example:
            assert measure.scores(read).shape == (6,)
