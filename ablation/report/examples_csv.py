"""Long CSV file of test examples: one line for each trial and example, from which R or pandas can redo the statistics.

Trials are read and written one at a time, so that the memory does not grow with their number.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ablation.analysis import selection
from ablation.analysis.selection import Selection
from ablation.analysis.study_analysis import collect, done
from ablation.errors import AblateError
from ablation.measures.measure import BINARY, PER_EXAMPLE
from ablation.report.tables.markdown_csv import csv
from ablation.store import record as records
from ablation.store.examples import Examples
from ablation.store.files import atomic
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.study.grid import Trial

CHUNK = 100_000  # lines that are formatted at a time


def need_seal(workspace: Workspace, name: str, subject: str = "--examples: ") -> Selection:
    """Return the sealed selection of a study. Raises AblateError where none is: test results stay closed until then.

    `subject`: beginning of the message, after the name of the study.
    """
    sealed = selection.read(workspace, records.need(workspace, name))
    if sealed is None:
        raise AblateError(
            f"study {name!r}: {subject}no selection is sealed yet, and test examples stay closed until then; "
            "finish it with `ablate run`"
        )
    return sealed


def write(workspace: Workspace, name: str, path: Path) -> int:
    """Write the file and return the number of its lines. Raises AblateError before the seal, and without examples.

    The columns are study, row, seed, replicate; example_set where rows have different examples; id, or the position of
    the example, from 0; label; group, where there is one; predicted; other columns that measures need; and one column
    for each measure of single examples, with 1 for correct and 0 for wrong.
    """
    lines, columns = 0, list[str]()
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        for frame in frames(workspace, name):
            columns = columns or list(frame.columns)
            text = csv(frame.reindex(columns=columns))
            file.write(text if not lines else text.partition("\n")[2])
            lines += len(frame)
    return lines


def frames(workspace: Workspace, name: str, subject: str = "--examples: ") -> Iterator[pd.DataFrame]:
    """Yield the lines of the file, at most CHUNK at a time. Raises AblateError before the seal, and without examples.

    `subject`: beginning of the message, after the name of the study.
    """
    sealed, record = need_seal(workspace, name, subject), records.need(workspace, name)
    open_test, lines = selection.unseal(workspace, record, sealed), 0
    for trial, result in done(collect(workspace, record)).items():
        for frame in _frames(record, trial, open_test(trial, result)):
            lines += len(frame)
            yield frame
    if not lines:
        raise AblateError(f"study {name!r}: {subject}its trials have no test examples, only numbers")


def _frames(record: Record, trial: Trial, examples: Examples) -> Iterator[pd.DataFrame]:
    """Yield the lines of one trial, CHUNK at a time."""
    columns = examples.columns
    n = len(next(iter(columns.values()), ()))
    values = {**_identity(record, columns, n), **_scores(record, examples)}
    leading = {"study": record.name, "row": trial.row, "seed": trial.seed, "replicate": record.grid.is_replicate(trial)}
    if len({record.split_of(row) for row in record.grid.rows}) > 1:
        leading["example_set"] = record.split_of(trial.condition)
    for start in range(0, n, CHUNK):
        chunk = {name: column[start : start + CHUNK] for name, column in values.items()}
        yield pd.DataFrame({**leading, **chunk}, columns=[*leading, *chunk])


def _identity(record: Record, columns: Mapping[str, np.ndarray], n: int) -> dict[str, np.ndarray]:
    """Return the columns that identify examples and predictions, and other one-dimensional columns of measures."""
    needed = dict.fromkeys(name for measure in record.measures.values() for name in measure.needs)
    scores = {measure.name for measure in record.measures.values() if measure.kind in PER_EXAMPLE}
    names = dict.fromkeys(("label", "group", "predicted", *(name for name in needed if name not in scores)))
    identity = {"id": columns.get("id", np.arange(n))}
    return identity | {
        name: _named(record, name, columns[name]) for name in names if name in columns and columns[name].ndim == 1
    }


def _named(record: Record, name: str, column: np.ndarray) -> np.ndarray:
    """Return a column, with names of classes in place of their numbers."""
    if name not in ("label", "predicted") or not record.inputs.classes or column.dtype.kind not in "iu":
        return column
    class_names: np.ndarray = np.array(record.inputs.classes, dtype=object)[column]
    return class_names


def _scores(record: Record, examples: Examples) -> dict[str, np.ndarray]:
    """Return the score of each example by each measure of single examples; correct and wrong are 1 and 0."""
    measures = [m for m in record.measures.values() if m.kind in PER_EXAMPLE and m.follows_from(examples.columns)]
    scores = {measure.name: measure.scores(examples.columns) for measure in measures}
    return {m.name: scores[m.name].astype(int) if m.kind == BINARY else scores[m.name] for m in measures}
