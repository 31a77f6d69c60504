"""Sources with a line for each example of a run: the columns of each run's examples."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ablation.errors import AblateError
from ablation.measures import repeats
from ablation.sources.fields import is_missing
from ablation.sources.runs import Runs

NAMES = ("label", "predicted", "score", "group", "repeat", "probability")
Columns = dict[str, np.ndarray]


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
    others = [name for name in frame.columns if name not in fields.values()]
    first = frame.loc[~position.duplicated(), others].reset_index(drop=True)
    return replace(runs, frame=first), of_runs


def _array(column: pd.Series, where: str) -> np.ndarray:
    """Return a column as an array of numbers or texts. Raises AblateError for a missing cell."""
    if missing := [line for line, cell in enumerate(column, start=1) if is_missing(cell)]:
        raise AblateError(f"{where}: line {missing[0]} has no value ({len(missing)} in all); leave such lines out: where")
    if column.dtype.kind in "iufb":
        return column.to_numpy().astype(np.int64 if column.dtype.kind == "b" else column.dtype)
    cells = list(column)
    if all(isinstance(cell, int | float) for cell in cells):
        return np.array(cells, float if any(isinstance(cell, float) for cell in cells) else np.int64)
    return np.array([str(cell) for cell in cells])
