"""Rows and replicates that the runs of a source make, with exact copies and doubles distinguished from repeats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ablation.errors import AblateError
from ablation.sources.cells import is_missing
from ablation.sources.runs import FOLDER, METRIC, NAME, OWN, RUN, RUN_COLUMN, SETTING, STARTED, STEP, TAG, VALUE, Runs
from ablation.study import import_keys

SHOWN = 5  # doubles that an error message lists
COARSE = 3  # decimals: results with no more of them may be equal by chance


@dataclass(frozen=True)
class Replicate:
    """One run that the study keeps. `row`: from 0. `seed`: its seed, or its number where the source states none."""

    run: int
    row: int
    seed: int


def levels(runs: Runs, factors: Mapping[str, str], where: str) -> list[tuple[Any, ...]]:
    """Return the levels of each run, one for each factor.

    Args:
        runs: runs of a source.
        factors: factor -> name of its field.
        where: beginning of an error message.

    Raises:
        AblateError: the levels of a factor are numbers and texts.
    """
    columns = [_levels(runs.frame[field], f"{where}.{factor}") for factor, field in factors.items()]
    return list(zip(*columns, strict=True)) if columns else [()] * len(runs.frame)


def _levels(column: pd.Series, where: str) -> list[Any]:
    cells = [None if is_missing(cell) else cell.item() if isinstance(cell, np.generic) else cell for cell in column]
    kinds = {_kind(cell): cell for cell in reversed(cells) if cell is not None}
    if len(kinds) > 1:
        shown = ", ".join(f"{cell!r} ({kind})" for kind, cell in kinds.items())
        raise AblateError(f"{where}: levels are of different types: {shown[:160]}; a factor needs levels of one type")
    if any(isinstance(cell, float) for cell in cells):
        return [None if cell is None else float(cell) + 0.0 for cell in cells]
    return cells


def _kind(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true or false"
    return {int: "a number", float: "a number", str: "a text", tuple: "a list"}.get(type(cell), "a value")


def of_levels(levels_of_runs: Sequence[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], list[int]]:
    """Return the different combinations of levels in their order, and the position of each run's combination."""
    places: dict[tuple[Any, ...], int] = {}
    rows = [places.setdefault(tuple(map(_typed, combination)), len(places)) for combination in levels_of_runs]
    first = {row: run for run, row in reversed(list(enumerate(rows)))}
    return [levels_of_runs[first[row]] for row in range(len(places))], rows


def _typed(level: Any) -> Any:
    return (type(level).__name__, level)


def seeds(column: pd.Series, where: str) -> tuple[list[int], str]:
    """Return the seeds of runs as whole numbers, and a note where they have names. Raises AblateError for a missing
    one."""
    if missing := [n for n, cell in enumerate(column, start=1) if is_missing(cell)]:
        raise AblateError(
            f"{where}: {len(missing)} runs have no seed, first run {missing[0]}; leave them out with where"
        )
    whole = [isinstance(cell, int | np.integer) or (isinstance(cell, float) and cell % 1 == 0) for cell in column]
    if all(whole) and all(0 <= cell < 2**53 for cell in column):
        return [int(cell) for cell in column], ""
    names = {name: number for number, name in enumerate(sorted(set(map(str, column))))}
    shown = ", ".join(f"{name} is {number}" for name, number in list(names.items())[:4])
    return [names[str(cell)] for cell in column], f"Seeds are numbered: {shown}{', ...' if len(names) > 4 else ''}."


class Fingerprint(NamedTuple):
    """Fingerprint of a run's numbers. `content`: equal for runs with equal numbers; () for a run without numbers.

    `is_coarse`: whether all numbers have so few decimals that two runs may agree by chance.
    """

    content: tuple[Any, ...]
    is_coarse: bool


def fingerprints(runs: Runs, used: Sequence[str]) -> list[Fingerprint]:
    """Return what each run measured: all its numbers, without its settings and names.

    `used`: fields of factors and seed, which are no results.
    """
    names = [c for c in runs.frame.columns if c not in (*used, *OWN) and not c.startswith((SETTING, TAG))]
    numeric = [c for c in names if runs.frame[c].dtype.kind in "if"]
    values = runs.frame[numeric].to_numpy(float) if numeric else np.empty((len(runs.frame), 0))
    courses = _courses(runs)
    prints = []
    for run, line in enumerate(values):
        numbers = tuple((name, float(value)) for name, value in zip(numeric, line, strict=True) if value == value)
        of_course = courses.get(run, Fingerprint((), True))
        is_coarse = of_course.is_coarse and all(round(value, COARSE) == value for _, value in numbers)
        prints.append(Fingerprint((*numbers, *of_course.content), is_coarse))
    return prints


def _courses(runs: Runs) -> dict[int, Fingerprint]:
    """Return run -> fingerprint of its courses: the sum of the hashes of their lines, in any order."""
    if runs.curves is None:
        return {}
    lines = runs.curves.dropna(subset=[VALUE])
    hashes = pd.util.hash_pandas_object(lines[[METRIC, STEP, VALUE]], index=False, categorize=True)
    fine = lines[VALUE].round(COARSE) != lines[VALUE]
    by_run = pd.DataFrame({"run": lines[RUN_COLUMN], "hash": hashes, "fine": fine}).groupby("run")
    sums = by_run.agg(total=("hash", "sum"), n=("hash", "size"), fine=("fine", "any"))
    return {int(run): Fingerprint((int(total), int(n)), not is_fine) for run, total, n, is_fine in sums.itertuples()}


Place = tuple[int, int | None]  # row and seed of a run; None where the source states no seeds


def at(rows: Sequence[int], seeds_of_runs: Sequence[int] | None) -> list[Place]:
    """Return the row and seed of each run. `seeds_of_runs`: None where the source states none."""
    seeds_or_none: Sequence[int | None] = [None] * len(rows) if seeds_of_runs is None else seeds_of_runs
    return list(zip(rows, seeds_or_none, strict=True))


def replicates(
    runs: Runs, places: Sequence[Place], used: Sequence[str], duplicates: str, where: str
) -> tuple[list[Replicate], list[str]]:
    """Return the runs that the study keeps, and notes on those that it does not.

    An exact copy of an earlier run of its row counts once. Without seeds, runs that agree in coarse numbers alone are
    repeats. Several runs of one row and seed are an error, unless `duplicates` states which counts.

    Args:
        runs: runs of a source.
        places: row and seed of each run.
        used: fields of factors and seed.
        duplicates: as in [import].
        where: beginning of an error message.
    """
    kept, copies = _without_copies(places, fingerprints(runs, used))
    notes = [_copies(copies, len(kept))] if copies else []
    chosen: dict[tuple[int, int], list[int]] = {}
    for number, run in enumerate(kept):
        row, seed = places[run]
        chosen.setdefault((row, number if seed is None else seed), []).append(run)
    doubles = {place: members for place, members in chosen.items() if len(members) > 1}
    if doubles and duplicates == import_keys.ERROR:
        raise AblateError(_doubles(runs, doubles, where))
    pick = 0 if duplicates == import_keys.FIRST else -1
    if doubles:
        rule = "first" if pick == 0 else "latest"
        notes.append(f"Of {len(doubles)} rows and seeds with several runs, the {rule} run counts.")
    return [Replicate(_ordered(runs, members)[pick], *place) for place, members in chosen.items()], notes


def _without_copies(places: Sequence[Place], prints: Sequence[Fingerprint]) -> tuple[list[int], list[int]]:
    """Return the runs that are no copies, and those that are."""
    first: set[tuple[Place, tuple[Any, ...]]] = set()
    kept: list[int] = []
    copies: list[int] = []
    for run, (place, fingerprint) in enumerate(zip(places, prints, strict=True)):
        numbers = (place, fingerprint.content)
        may_be_chance = place[1] is None and fingerprint.is_coarse
        is_copy = bool(fingerprint.content) and numbers in first and not may_be_chance
        (copies if is_copy else kept).append(run)
        first.add(numbers)
    return kept, copies


def _copies(copies: Sequence[int], n_kept: int) -> str:
    runs = "1 run is an exact copy" if len(copies) == 1 else f"{len(copies)} runs are exact copies"
    return f"{runs} of another run of its row, and counted once: {n_kept} of {n_kept + len(copies)} runs are used."


def _ordered(runs: Runs, members: Sequence[int]) -> list[int]:
    """Return runs in the order of their start where all have one, otherwise in that of the source."""
    starts = runs.frame[STARTED].iloc[list(members)] if STARTED in runs.frame else None
    if starts is None or starts.isna().any():
        return list(members)
    return [run for _, run in sorted(zip(starts, members, strict=True))]


def _doubles(runs: Runs, doubles: Mapping[tuple[int, int], Sequence[int]], where: str) -> str:
    """Return the error message for several runs of one row and seed."""
    names = next((n for n in ("file", RUN, NAME, FOLDER) if n in runs.frame), None)
    shown = []
    for (row, seed), members in list(doubles.items())[:SHOWN]:
        of_runs = ", ".join(str(runs.frame[names].iloc[m]) if names else f"run {m + 1}" for m in members[:4])
        shown.append(f"row {row + 1}, seed {seed}: {of_runs}{', ...' if len(members) > 4 else ''}")
    more = f"; and {len(doubles) - SHOWN} more" if len(doubles) > SHOWN else ""
    return (
        f"{where}: {len(doubles)} rows and seeds have several runs ({'; '.join(shown)}{more}); leave runs out with "
        'where, name a missing factor, or state duplicates = "first" or "latest"'
    )
