"""Columns of classes: names of the classes, and the same columns with classes counted from 0."""

from collections.abc import Sequence

import numpy as np

from ablation.errors import AblateError
from ablation.measures.measure import Columns

PREFIX = "probability_"  # of the columns of one class each
NEARLY = 0.02  # by which the probabilities of an example may miss a sum of 1: float16 is enough

Names = tuple[str, ...]


def probability_columns(columns: Columns) -> list[str]:
    """Return the names of the columns that hold the probability of one class each, in their order."""
    return [name for name in columns if name.startswith(PREFIX) and name != PREFIX]


def class_names(columns: Columns, where: str) -> Names:
    """Return the names of the classes, in the order in which classes are counted from 0.

    The order is that of the columns `probability_<class>`; otherwise numbers and texts are sorted. A column
    `probability` of shape (N, K) is in this order, and one of shape (N,) belongs to the second class.

    Args:
        columns: columns of the examples, with `label`.
        where: beginning of an error message.

    Raises:
        AblateError: labels are no classes, or probabilities do not fit them.
    """
    if named := probability_columns(columns):
        return tuple(name.removeprefix(PREFIX) for name in named)
    label, probability = columns["label"], columns.get("probability")
    shown = [_classes(columns[name], name, where) for name in ("label", "predicted") if name in columns]
    names = _sorted(set().union(*shown), label.dtype.kind == "U")
    if probability is None:
        return names
    n_classes = 2 if probability.ndim == 1 else probability.shape[1]
    if label.dtype.kind != "U" and {int(name) for name in names} <= set(range(n_classes)):
        names = tuple(map(str, range(n_classes)))
    if len(names) != n_classes:
        raise AblateError(
            f"{where}: probability is of {n_classes} classes, but label and predicted name {len(names)} "
            f"({_few(names)}); return one column {PREFIX}<class> for each class"
        )
    return names


def _classes(column: np.ndarray, name: str, where: str) -> set[str]:
    """Return the names of the classes in a column of texts or whole numbers."""
    if column.dtype.kind == "f" and not np.array_equal(column, np.round(column)):
        wrong = "fractions" if np.isfinite(column).all() else "NaN or infinity"
        raise AblateError(
            f'{where}: {name} holds {wrong}; classes are texts or whole numbers; amounts: task = "numbers"'
        )
    return {str(value) for value in np.unique(_keys(column)).tolist()}


def _keys(column: np.ndarray) -> np.ndarray:
    """Return a column of classes as texts or, where it holds whole numbers or truth values, as integers."""
    return column.astype(np.int64) if column.dtype.kind in "biuf" else column.astype(str)


def _sorted(names: set[str], texts: bool) -> Names:
    return tuple(sorted(names) if texts else sorted(names, key=int))


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def coded(columns: Columns, names: Names, where: str) -> dict[str, np.ndarray]:
    """Return the columns with classes counted from 0 in `label` and `predicted`, and one column `probability`.

    A class that is not in `names` is counted after them, the labels first. Where `predicted` is missing, the most
    probable class is predicted.

    Args:
        columns: columns of the examples, as a trial returned them.
        names: names of the classes, as `class_names` returns them.
        where: beginning of an error message.

    Raises:
        AblateError: a label has no probability.
    """
    joined = {name: column for name, column in columns.items() if not name.startswith(PREFIX)}
    if named := [f"{PREFIX}{name}" for name in names if f"{PREFIX}{name}" in columns]:
        joined["probability"] = np.stack([columns[name] for name in named], axis=1)
    more = list(names)
    for name in ("label", "predicted"):
        if name in joined:
            more += sorted(_classes(joined[name], name, where) - set(more))
            if name == "label" and "probability" in joined and len(more) > len(names):
                raise AblateError(f"{where}: label {more[len(names)]!r} has no probability; classes: {_few(names)}")
            joined[name] = _codes(joined[name], more)
    if "probability" in joined and "predicted" not in joined:
        probability = joined["probability"]
        joined["predicted"] = (probability > 0.5).astype(int) if probability.ndim == 1 else probability.argmax(axis=1)
    return joined


def _codes(column: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return the position of each class in `names`, (N,) int."""
    values, places = np.unique(_keys(column), return_inverse=True)
    positions = {name: place for place, name in enumerate(names)}
    return np.array([positions[str(value)] for value in values.tolist()], int)[places]


def check_probabilities(probability: np.ndarray, where: str) -> None:
    """Raise AblateError where numbers are no probabilities: outside [0, 1], or with another sum than 1.

    `probability`: (N,) or (N, K). `where`: beginning of an error message.
    """
    if probability.min(initial=0) < 0 or probability.max(initial=0) > 1:
        raise AblateError(f"{where}: probability holds numbers outside 0 to 1; return softmax outputs, not logits")
    if probability.ndim == 2 and np.abs(probability.astype(float).sum(axis=1) - 1).max(initial=0) > NEARLY:
        raise AblateError(f"{where}: the probabilities of an example must have the sum 1; return softmax outputs")
