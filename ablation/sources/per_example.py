"""Sources with a line for each example of a run: the columns of each run's examples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ablation.errors import AblateError
from ablation.measures import class_columns, from_columns, repeats
from ablation.measures.class_columns import PREFIX
from ablation.sources.cells import is_missing, reads_as_number
from ablation.sources.runs import Runs

Columns = dict[str, np.ndarray]
FEW = 0.1  # share of texts in a column of numbers that are faults


def of_lines(
    runs: Runs, example: str, columns: Mapping[str, str], key: Sequence[str], where: str
) -> tuple[Runs, list[Columns]]:
    """Return one run for each combination of the fields of `key`, and the columns of its examples by id.

    Args:
        runs: lines, each an example of a run.
        example: field that identifies the example.
        columns: column of the examples -> its field.
        key: fields of the factors and the seed.
        where: beginning of an error message.

    Raises:
        AblateError: an example has no id, occurs twice in a run without a repeat, or a column has a missing cell.
    """
    frame = runs.frame
    position = frame.groupby(list(key), sort=False, dropna=False).ngroup() if key else pd.Series(0, frame.index)
    fields = {"id": example, **columns}
    arrays = {name: _array(frame[field], f"{where}.{name}") for name, field in fields.items()}
    arrays["id"] = arrays["id"].astype(str)
    order = np.lexsort((arrays["repeat"], arrays["id"]) if "repeat" in arrays else (arrays["id"],))
    of_runs = []
    for run in range(int(position.max()) + 1):
        lines = order[position.to_numpy()[order] == run]
        of_run = {name: array[lines] for name, array in arrays.items()}
        if fault := repeats.fault(of_run):
            raise AblateError(f"{where}: run {run + 1}: {fault}")
        of_runs.append(of_run)
    others = [name for name in frame.columns if name not in fields.values() and _is_of_runs(frame[name], position)]
    first = frame.loc[~position.duplicated(), others].reset_index(drop=True)
    return replace(runs, frame=first), of_runs


def refuse_two_labels(frame: pd.DataFrame, example: str, label: str, seed: str, where: str) -> None:
    """Raise AblateError for an example with two labels, naming both lines.

    Examples of different seeds or folds may have the same ids: they are paired within a replicate.

    Args:
        frame: lines, each an example of a run.
        example, label: fields of the id and of the label.
        seed: field of the seed or fold; "" where there is none.
        where: beginning of the error message.
    """
    key = [example, *([seed] if seed else [])]
    different = frame[[*key, label]].dropna(subset=[label]).drop_duplicates([*key, label])
    doubles = different[different.duplicated(key, keep=False)]
    if not len(doubles):
        return
    first = doubles[key].iloc[0]
    pair = doubles[(doubles[key] == first).all(axis=1)].iloc[:2]
    shown = " and ".join(f"{value} in line {line}" for line, value in zip(pair.index + 1, pair[label], strict=True))
    raise AblateError(
        f"{where}: example {str(first[example])!r} has two labels: {shown}; mend the source, or give examples of "
        "different data different ids"
    )


def _is_of_runs(column: pd.Series, position: pd.Series) -> bool:
    """Return whether a column has one value in all lines of each run; otherwise it is one of the examples."""
    return bool((column.astype(str).groupby(position).nunique() == 1).all())


@dataclass(frozen=True)
class Kinds:
    """Task of the examples, and a few lines of columns that have the same measures.

    `task`: one of `from_columns.TASKS`. `lines`: column -> values; classes are counted from 0.
    """

    task: str = ""
    lines: Mapping[str, list[float]] = field(default_factory=dict)


def coded(of_runs: Sequence[Columns], task: str, where: str, by_label: bool = False) -> tuple[list[Columns], Kinds]:
    """Return the columns with classes counted from 0, and what measures they have.

    Args:
        of_runs: columns of each run, or of each split of a run.
        task: one of `from_columns.TASKS`; "" decides by the columns.
        where: beginning of an error message.
        by_label: whether labels alone number the classes, so that runs with the same labels agree; a class that is only
            predicted is counted after them.

    Raises:
        AblateError: columns and task do not fit.
    """
    joined = {name: np.concatenate([columns[name] for columns in of_runs]) for name in of_runs[0]}
    task = task or from_columns.task_of(joined, where)
    if task == from_columns.CLASSES:
        naming = {name: array for name, array in joined.items() if not (by_label and name == "predicted")}
        names = class_columns.class_names(naming, where)
        of_runs = [class_columns.coded(columns, names, where) for columns in of_runs]
        joined = {name: np.concatenate([columns[name] for columns in of_runs]) for name in of_runs[0]}
    from_columns.measures_of(joined, {}, task, where)  # raises an error where columns do not fit
    return list(of_runs), Kinds(
        task, dict(line for name, array in joined.items() for line in _lines(name, array, task))
    )


def _lines(name: str, array: np.ndarray, task: str) -> Iterator[tuple[str, list[float]]]:
    """Yield the lines of a column: one for each class of a column of probabilities (N, K), none of the ids."""
    if name == "probability" and array.ndim == 2:
        n_classes = array.shape[1]
        yield from ((f"{PREFIX}{place}", [1 / n_classes] * 2) for place in range(n_classes))
    elif name != "id":
        yield name, _few(name, array, task)


def _few(name: str, array: np.ndarray, task: str) -> list[float]:
    """Return two values that say whether a column of scores is of 0 and 1 alone, or all classes of a label."""
    if array.dtype.kind == "U" or array.ndim > 1:
        return []
    if task == from_columns.CLASSES and name in ("label", "predicted") and array.dtype.kind in "iu":
        return [float(n) for n in range(int(array.max()) + 1)]
    return [0.0, 1.0] if np.isin(array, (0, 1)).all() else [0.25, 0.5]


def _numbers(cells: Sequence[int | float], where: str) -> np.ndarray:
    """Return numbers as an array. Raises AblateError for a number beyond those of the computer."""
    try:
        return np.array(cells, float if any(isinstance(cell, float) for cell in cells) else np.int64)
    except OverflowError:
        line = next(line for line, cell in enumerate(cells, start=1) if abs(cell) >= 2**63)
        raise AblateError(f"{where}: line {line} has a number beyond 64 bits; mend it, or write it as a text") from None


def _array(column: pd.Series, where: str) -> np.ndarray:
    """Return a column as an array of numbers or texts. Raises AblateError for a missing cell."""
    if missing := [line for line, cell in enumerate(column, start=1) if is_missing(cell)]:
        raise AblateError(
            f"{where}: line {missing[0]} has no value ({len(missing)} in all); leave such lines out: where"
        )
    if column.dtype.kind in "iufb":
        return np.asarray(column, np.int64) if column.dtype.kind == "b" else np.asarray(column)
    cells = list(column)
    texts = [(line, cell) for line, cell in enumerate(cells, start=1) if not reads_as_number(cell)]
    if texts and len(texts) < FEW * len(cells):  # labels may be of all kinds, but then most are texts
        shown = ", ".join(f"{str(cell)[:40]!r} in line {line}" for line, cell in texts[:3])
        raise AblateError(
            f"{where}: {len(texts)} of {len(cells)} cells are no numbers ({shown}); mend or leave them out"
        )
    if all(isinstance(cell, int | float) for cell in cells):
        return _numbers(cells, where)
    return np.array([str(cell) for cell in cells])
