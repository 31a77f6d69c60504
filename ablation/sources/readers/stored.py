"""Frames of runs whose source keeps results as histories of numbers."""

import contextlib
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from ablation.errors import AblateError
from ablation.sources.runs import METRIC, RUN_COLUMN, STEP, VALUE
from ablation.urls import first_line, masked

BATCH = 100_000  # points that are Python objects at a time
TIME = "time"
Point = tuple[int, str, int, float, float]  # position of the run, metric, step, time in the source's unit, value


@contextlib.contextmanager
def one_line(address: str, program: str) -> Iterator[None]:
    """Raise AblateError, naming the source, where it cannot be read or has content that its program does not write."""
    try:
        yield
    except OSError as error:
        raise AblateError(f"{masked(address)}: {error.strerror or error}") from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise AblateError(f"{masked(address)}: content that no {program} writes: {first_line(error)}") from None


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 run", "2 runs"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def frame_of(records: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Return one line for each record; a field that is missing in a record is None, or nan among floats."""
    names = dict.fromkeys(name for record in records for name in record)
    cells = {name: [record.get(name) for record in records] for name in names}
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in cells.items()})
    numeric = [name for name in names if {type(value) for value in cells[name]} - {type(None)} == {float}]
    return frame.astype(dict.fromkeys(numeric, float))


def curves_of(points: Iterable[Point]) -> pd.DataFrame | None:
    """Return points as curves: by run, metric, step and time; None where there are no points."""
    remaining, batches = iter(points), []
    while batch := list(itertools.islice(remaining, BATCH)):
        batches.append(pd.DataFrame(batch, columns=[RUN_COLUMN, METRIC, STEP, TIME, VALUE]))
    if not batches:
        return None
    curves = pd.concat(batches, ignore_index=True).astype({VALUE: float})
    curves = curves.sort_values([RUN_COLUMN, METRIC, STEP, TIME], kind="stable", ignore_index=True)
    return curves.drop(columns=TIME)


def digest(frame: pd.DataFrame, curves: pd.DataFrame | None) -> str:
    """Return the sha256 of the content of runs, which a program that adds other content to the source leaves."""
    content = hashlib.sha256()
    for table in (frame, curves) if curves is not None else (frame,):
        for start in range(0, max(len(table), 1), BATCH):
            content.update(table.iloc[start : start + BATCH].to_csv(index=False).encode(errors="replace"))
    return content.hexdigest()
