"""From what a trial returns to measures: by the columns of its examples, its numbers, and the task of the study."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ablation.errors import AblateError
from ablation.measures import class_columns
from ablation.measures.auc import auc
from ablation.measures.balanced_accuracy import BALANCED_ACCURACY
from ablation.measures.calibration import ECE
from ablation.measures.class_columns import PREFIX, coded, probability_columns
from ablation.measures.classes import of_classes
from ablation.measures.columns import mean_of
from ablation.measures.correlation import R2
from ablation.measures.measure import SPLITS, Columns, Measure, scalar
from ablation.measures.names import meaning, split_of
from ablation.measures.probabilities import LOG_LOSS, brier
from ablation.measures.regression import mae, rmse

CLASSES, NUMBERS, SCORES, SCALARS = TASKS = ("classes", "numbers", "scores", "scalars")
NOT_SCORES = ("label", "id", "group", "repeat", "predicted", "probability")


def measures_of(
    columns: Columns, numbers: Mapping[str, float], task: str | None = None, where: str = "[experiment]"
) -> dict[str, Measure]:
    """Return the measures of a trial by name: those of its task, then its score columns, then its numbers.

    - classes: accuracy, balanced accuracy and macro-F1; with probabilities also log loss, Brier score, AUC and
      calibration error. They read the columns as `class_columns.coded` returns them.
    - numbers: RMSE, MAE and R2.
    - scores: the mean of each column of numbers.
    - scalars: the numbers alone.

    Args:
        columns: columns of the examples on validation; empty where the trial has none.
        numbers: numbers of the trial, such as val_loss. A number without val_, test_ or train_ is a cost.
        task: one of TASKS; None decides by the columns.
        where: beginning of an error message.

    Raises:
        AblateError: columns and task do not fit, or the task is needed.
    """
    task = task or task_of(columns, where)
    measures = {measure.name: measure for measure in _OF_TASK[task](columns, where)}
    for name in () if task == SCALARS else _score_columns(columns, task, where):
        if name in measures:
            raise AblateError(f"{where}: column {name!r} has the name of a computed measure; rename the column")
        measures[name] = mean_of(name, bool(np.isin(columns[name], (0, 1)).all()))
    for name, measure in of_numbers(numbers, where).items():
        computed = measures.setdefault(name, measure)
        measures[name] = replace(computed, splits=tuple(s for s in SPLITS if s in {*computed.splits, *measure.splits}))
    if not measures:
        raise AblateError(f"{where}: neither columns nor numbers that measure anything")
    return measures


def of_kinds(task: str, values: Mapping[str, Sequence[float]]) -> dict[str, Measure]:
    """Return the measures of columns of which a few values are stored: all classes of a label, or two scores.

    `values`: column -> values, with classes counted from 0; a column of texts has none.
    """
    whole = ("label", "predicted") if task == CLASSES else ()
    columns = {name: np.array(few, np.int64 if name in whole else float) for name, few in values.items() if len(few)}
    return measures_of(columns, {}, task, "the examples")


def task_of(columns: Columns, where: str) -> str:
    """Return the task that the columns belong to."""
    label, predicted = columns.get("label"), columns.get("predicted")
    if not columns:
        return SCALARS
    if label is None or (predicted is None and "probability" not in columns and not probability_columns(columns)):
        return SCORES
    if predicted is None or label.dtype.kind in "bU" or predicted.dtype.kind == "U":
        return CLASSES
    if "probability" in columns or probability_columns(columns):
        return CLASSES
    if label.dtype.kind == "f" or predicted.dtype.kind == "f":
        return NUMBERS
    raise AblateError(
        f"{where}: label and predicted hold whole numbers, which may be classes or amounts; set [experiment] "
        f'task = "{CLASSES}" or "{NUMBERS}"'
    )


def _score_columns(columns: Columns, task: str, where: str) -> Iterator[str]:
    """Yield the names of the columns that hold a score of each example."""
    of_auc = task == CLASSES and not _has_probabilities(columns)
    for name, column in columns.items():
        if name in NOT_SCORES or name.startswith(PREFIX) or column.dtype.kind == "U" or (of_auc and name == "score"):
            continue
        if column.ndim > 1:
            raise AblateError(f"{where}: column {name!r} has the shape {column.shape}; allowed: one number per example")
        yield name


def _has_probabilities(columns: Columns) -> bool:
    return "probability" in columns or bool(probability_columns(columns))


def _classes(columns: Columns, where: str) -> Iterator[Measure]:
    """Yield the measures of classes that the columns allow."""
    if "label" not in columns or not ({"predicted", "score"} & columns.keys() or _has_probabilities(columns)):
        raise AblateError(f'{where}: task = "{CLASSES}" needs the columns label and predicted, probability or score')
    if "predicted" in columns and (columns["label"].dtype.kind == "U") != (columns["predicted"].dtype.kind == "U"):
        raise AblateError(f"{where}: one of label and predicted holds texts, the other numbers; return both alike")
    names = class_columns.class_names(columns, where)
    read = coded(columns, names, where)
    if "predicted" in read:
        yield of_classes()["accuracy"]
        yield BALANCED_ACCURACY
        yield of_classes()["macro_f1"]
    if "probability" in read:
        class_columns.check_probabilities(read["probability"], where)
        yield from (LOG_LOSS, brier(len(names)), auc(len(names)), ECE)
    elif "score" in read:
        if len(names) > 2:
            raise AblateError(
                f"{where}: score belongs to two classes, and label names {len(names)}; return probability"
            )
        yield auc(2, "score")


def _numbers(columns: Columns, where: str) -> Iterator[Measure]:
    """Yield the measures of predicted numbers."""
    if wrong := [name for name in ("label", "predicted") if name not in columns or columns[name].dtype.kind == "U"]:
        raise AblateError(f'{where}: task = "{NUMBERS}" needs numbers in label and predicted; wrong: {wrong[0]}')
    yield from (rmse(), mae(), R2)


def _nothing(columns: Columns, where: str) -> Iterator[Measure]:
    yield from ()


_OF_TASK: Mapping[str, Callable[[Columns, str], Iterator[Measure]]] = {
    CLASSES: _classes, NUMBERS: _numbers, SCORES: _nothing, SCALARS: _nothing,
}  # fmt: skip


def of_numbers(numbers: Mapping[str, float], where: str) -> dict[str, Measure]:
    """Return the measures of the numbers that a trial states, by name.

    A number on validation or on test is a measure of both, because test numbers are hidden until a row is selected. A
    number of no split is a cost: rows are not selected by it. A fraction above 1 is no fraction, and is shown as it is.

    Args:
        numbers: val_, test_ or train_ and the name -> value; a cost has its name alone.
        where: beginning of an error message.

    Raises:
        AblateError: a cost has the name of a measure.
    """
    splits: dict[str, set[str]] = {}
    values: dict[str, list[float]] = {}
    for number, value in numbers.items():
        split, name = split_of(number)
        splits.setdefault(name, set()).add(split)
        values.setdefault(name, []).append(abs(value))
    for name, prefixes in splits.items():
        if "" in prefixes and len(prefixes) > 1:
            raise AblateError(f"{where}: {name} is a number of no split, and of a split too; rename one of them")
    return {name: _number(name, splits[name], max(values[name])) for name in splits}


def _number(name: str, splits: set[str], largest: float) -> Measure:
    """Return the measure of a number that a trial states. `largest`: largest size of its values."""
    cost = splits == {""}
    means = meaning(name) or replace(scalar(name, best="low" if cost else "high"), directed=False)
    if means.is_share and largest > 1:
        means = replace(means, unit="", bounds=(-np.inf, np.inf))
    both = set() if splits & {"val", "test"} == set() else {"val", "test"}
    return replace(means, splits=tuple(s for s in SPLITS if s in splits | both))
