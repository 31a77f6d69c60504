"""The tables of scores of each class, on test and on other images."""
# ruff: noqa: RUF001 (the tables contain these signs)

from collections.abc import Sequence
from typing import Any

import numpy as np

from ablation.analysis.external_evaluation import ExternalEvaluation, answers, sentences
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.table import Column, Table
from ablation.report.tables.secondary_table import secondary_table
from ablation.report.tables.table import OVER
from ablation.statistics import evaluation
from ablation.statistics.bootstrap import RESAMPLES, class_f1_draws, percentiles
from ablation.statistics.intervals import Interval, newcombe, wilson


def _class_columns(group: str) -> list[Column]:
    return [
        Column("class", "Class", "text"),
        Column("precision", "Precision", "percent", group),
        Column("recall", "Recall", "estimate", group),
        Column("f1", "F1", "estimate", group),
        Column("support", "Images", "count"),
    ]


NO_INTERVAL = "F1 without an interval: it is the same in nearly all resamples."
AVERAGES = ("macro average", "weighted average")


def _class_name(name: str) -> str:
    """Return the name of a class, in quotes if an average has the same name."""
    return f'"{name}"' if name in AVERAGES else name


def _class_rows(labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> list[list[Any]]:
    """Return one line per class, then the averages: name, precision, recall, F1, number of images.

    `labels`, `predicted`: true and predicted class of each image, (N,).
    """
    scored = evaluation.class_scores(labels, predicted, len(classes))
    draws, macro_draws = class_f1_draws(labels, predicted, len(classes))
    f1 = percentiles(scored.f1, draws)
    rows: list[list[Any]] = []
    for k, name in enumerate(classes):
        hits, support = int(((labels == k) & (predicted == k)).sum()), int(scored.support[k])
        recall = wilson(hits, support) if support else None
        rows.append([_class_name(name), float(scored.precision[k]), recall, f1[k] if support else None, support])
    nan, has_images = float("nan"), scored.support > 0  # a class without images has no recall and enters no average
    for name, weights in zip(AVERAGES, (np.ones(has_images.sum()), scored.support[has_images]), strict=True):
        precision, of_recall, of_f1 = (float(np.average(scores[has_images], weights=weights)) for scores in scored[:3])
        mean = Interval(of_f1, nan, nan)
        if name == AVERAGES[0]:
            (mean,) = percentiles(np.array([evaluation.macro_f1(labels, predicted)]), macro_draws[None])
        rows.append([name, precision, Interval(of_recall, nan, nan), mean, len(labels)])
    return rows


def _class_notes(labels: np.ndarray, classes: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the notes of a table of classes; `rows`: its lines, as `_class_rows` returns them."""
    class_rows = [row for row in rows if row[0] not in AVERAGES]
    counts = np.bincount(labels, minlength=len(classes))
    return [
        f"Recall: Wilson interval; F1: percentile bootstrap over images, {RESAMPLES:,} resamples.",
        *([NO_INTERVAL] if any(isinstance(row[3], Interval) and np.isnan(row[3].low) for row in class_rows) else []),
        *([f"Averages are {OVER}."] if not counts.all() else []),
        f"Always guessing {classes[int(counts.argmax())]} would be right in {100 * counts.max() / counts.sum():.1f} %.",
    ]


def selected(study: StudyAnalysis) -> Table | None:
    """Return the table of the selected row on test: precision, recall, F1 and support of each class.

    The result is None without a selected row, without its test predictions, or without classes.
    """
    predictions = study.test.get(study.selected) if study.selected else None
    classes = study.record.inputs.classes
    if not predictions or not classes:
        return None
    rows = _class_rows(predictions.labels, predictions.predicted[0], classes)
    notes = _class_notes(predictions.labels, classes, rows)
    if len(predictions.seeds) > 1:
        notes.append(f"Of the network with seed {predictions.seeds[0]}.")
    caption = f"Row {study.selected}, the selected one, on test."
    return secondary_table(study, "selected", caption, _class_columns("Test (%)"), rows, notes)


def evaluated(study: StudyAnalysis, evaluation: ExternalEvaluation) -> Table:
    """Return the table of a row on external images: scores of each class, compared with the row's test set."""
    columns = [
        *_class_columns("There (%)"),
        Column("test", "Recall", "percent", "Test (%)"),
        Column("drop", "Δ recall", "change", "There − test (pp)"),
        Column("train_share", "Train", "percent", "Share of images (%)"),
        Column("share", "There", "percent", "Share of images (%)"),
    ]
    labels, predicted = answers(evaluation.confusion)
    rows = _class_rows(labels, predicted, evaluation.classes)
    for k in range(len(evaluation.classes)):
        (right, n), (test_right, test_n) = ((c[k][k], sum(c[k])) for c in (evaluation.confusion, evaluation.test))
        recall = test_right / test_n if test_n else None
        drop = newcombe(right / n, recall, n, test_n) if n and recall is not None else None
        rows[k] += [recall, drop, evaluation.train[k] / sum(evaluation.train), n / evaluation.images]
    for row in rows[len(evaluation.classes) :]:
        row += [None] * 4
    notes = [*sentences(evaluation), *_class_notes(labels, evaluation.classes, rows)]
    if len(study.record.grid.seeds) > 1:
        notes.append(f"Of the network with seed {evaluation.seed}.")
    notes.append("Δ: Newcombe's interval for two independent sets of images.")
    return secondary_table(study, evaluation.key, f"Row {evaluation.row} on {evaluation.place}.", columns, rows, notes)
