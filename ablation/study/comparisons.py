"""Rows that [[compare]] names by label or levels, never by number, and the pairs of rows of each family."""

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from ablation.errors import AblateError
from ablation.model.phrases import listed
from ablation.nearest import nearest
from ablation.study.grid import Grid
from ablation.study.levels import Level, floats, short, worded
from ablation.study.study_keys import quote
from ablation.study.table_keys import LIST, REFERENCE, Comparison, Label

MOST_PAIRS = 2_000  # pairs of one family

Pair = tuple[int, int]


def _same(stated: Any, level: Any) -> bool:
    """Return whether two levels are equal: 1 and 1.0 are, true and 1 are not."""
    if isinstance(stated, list | tuple) and isinstance(level, list | tuple):
        return len(stated) == len(level) and all(map(_same, stated, level))
    return isinstance(stated, bool) == isinstance(level, bool) and bool(stated == level)


def rows_with(grid: Grid, levels: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the rows that have all of these levels."""
    return [n for n, row in enumerate(grid.rows, start=1) if all(_same(level, row[f]) for f, level in levels.items())]


def rows_labelled(grid: Grid, label: str) -> list[int]:
    """Return the numbers of the rows that have this label."""
    return [n for n, row_label in enumerate(grid.labels, start=1) if row_label == label]


def levels_of_one(grid: Grid, row: int) -> dict[str, Level]:
    """Return levels that only this row has: of one or two factors where they suffice, otherwise of all that vary."""
    condition = grid.rows[row - 1]
    for size in (1, 2):
        for factors in combinations(grid.varying, size):
            levels = {f: condition[f] for f in factors}
            if len(rows_with(grid, levels)) == 1:
                return levels
    return {f: condition[f] for f in grid.varying}


def _toml(levels: Mapping[str, Level]) -> str:
    return f"{{ {', '.join(f'{f} = {json.dumps(level, ensure_ascii=False)}' for f, level in levels.items())} }}"


def _refuse_number(grid: Grid, number: int, place: str) -> AblateError:
    """Return the error for a row that is named by its number; the message has the row's label and levels."""
    if not 0 < number <= len(grid.rows):
        return AblateError(f"{place}: {quote(number)} is a number, and no row's; {_by_levels(grid)}")
    label = f"its label, {quote(grid.labels[number - 1])}, or by " if grid.labels[number - 1] else ""
    return AblateError(
        f"{place}: {quote(number)} is a number, and numbers change where rows are inserted; "
        f"name row {number} by {label}its levels, {_toml(levels_of_one(grid, number))}"
    )


def _refuse_label(grid: Grid, label: str, rows: Sequence[int], place: str) -> AblateError:
    if rows:
        return AblateError(f"{place}: rows {listed(rows)} have the label {quote(label)}; name the row by its levels")
    labels = [row_label for row_label in grid.labels if row_label]
    way_out = f"labels: {listed(labels)}" if labels else f"no row has one; {_by_levels(grid)}"
    return AblateError(f"{place}: no row has label {quote(label)}; {way_out}{nearest(label, labels)}")


def _by_levels(grid: Grid) -> str:
    return f"name a row by its levels, such as {_toml(levels_of_one(grid, 1))}"


def _refuse_levels(grid: Grid, levels: Mapping[str, Any], rows: Sequence[int], place: str) -> AblateError:
    """Return the error for levels that no row has, or that several rows have."""
    if rows:
        which = "two rows" if len(rows) == 2 else f"{len(rows):,} rows"
        return AblateError(f"{place}: {which} have these levels: {listed(rows)}; add a level")
    words = " and ".join(f"{worded(f)} {quote(level)}" for f, level in levels.items())
    for factor, level in levels.items():
        if not rows_with(grid, {factor: level}):
            occurring = dict.fromkeys(short(factor, row[factor]) for row in grid.rows)
            return AblateError(
                f"{place}: no row has {words}; levels of {factor}: {listed(occurring)}{nearest(level, occurring)}"
            )
    return AblateError(f"{place}: no row has {words} together")


def row_number(grid: Grid, name: Label, place: str) -> int:
    """Return the number of the one row with this label or these levels.

    Args:
        grid: the study's grid.
        name: label, or factor -> level.
        place: beginning of the error message: the file and the key.

    Raises:
        AblateError: no row, or more than one row, has this name; or the name is a number.
    """
    if isinstance(name, int):
        raise _refuse_number(grid, name, place)
    if isinstance(name, str):
        rows = rows_labelled(grid, name)
        if len(rows) != 1:
            raise _refuse_label(grid, name, rows, place)
        return rows[0]
    for factor in name:
        if factor not in grid.factors.names:
            names = ", ".join(grid.factors.names)
            raise AblateError(
                f"{place}: unknown factor {quote(factor)}; known factors: {names}{nearest(factor, grid.factors.names)}"
            )
    rows = rows_with(grid, name)
    if len(rows) != 1:
        raise _refuse_levels(grid, name, rows, place)
    return rows[0]


def numbers(grid: Grid, comparison: Comparison) -> list[int]:
    """Return the numbers of a family's rows, in the order of the study file; of all rows where it lists none."""
    if comparison.rows is None:
        return list(range(1, len(grid.rows) + 1))
    return [row_number(grid, name, "[[compare]]") for name in comparison.rows]


def pairs(grid: Grid, comparison: Comparison) -> list[Pair]:
    """Return the (first row, second row) of each comparison of a family; of the reference family, the reference is
    first."""
    rows = numbers(grid, comparison)
    if comparison.family == REFERENCE:
        return [(grid.reference, row) for row in rows if row != grid.reference]
    return list(combinations(rows, 2))


def checked(path: Path, stated: Sequence[Comparison], grid: Grid) -> tuple[Comparison, ...]:
    """Return the families of a study file with the levels as the rows have them.

    Args:
        path: study file.
        stated: families as parsed.
        grid: grid of the study file.

    Raises:
        AblateError: a row has no such name, or a family has no pairs or too many; the message names file and key.
    """
    return tuple(
        _family(f"{path}: compare[{n}]", comparison, grid, path.parent) for n, comparison in enumerate(stated, start=1)
    )


def _family(place: str, comparison: Comparison, grid: Grid, folder: Path) -> Comparison:
    if comparison.rows is None:
        if comparison.family == LIST:
            raise AblateError(f'{place}.rows: missing; family "list" needs a list of two or more rows')
    else:
        located = [
            grid.factors.located(floats(name), folder) if isinstance(name, dict) else name for name in comparison.rows
        ]
        comparison = comparison.model_copy(update={"rows": _rows(place, located, grid)})
    refuse_size(place, grid, comparison)
    return comparison


def _rows(place: str, names: Sequence[Label], grid: Grid) -> list[Label]:
    """Return the names of a family's rows, with levels as the rows have them. Raises AblateError for a repeated row."""
    first: dict[int, int] = {}
    rows: list[Label] = []
    for n, name in enumerate(names, start=1):
        row = row_number(grid, name, f"{place}.rows[{n}]")
        if row in first:
            raise AblateError(f"{place}.rows[{n}]: is the same row as rows[{first[row]}]; name each row once")
        first[row] = n
        rows.append({f: grid.rows[row - 1][f] for f in name} if isinstance(name, dict) else name)
    return rows


def refuse_size(place: str, grid: Grid, comparison: Comparison) -> None:
    """Raise AblateError where a family has no pair of rows, or more than MOST_PAIRS."""
    n_rows = len(grid.rows) if comparison.rows is None else len(comparison.rows)
    against_reference = comparison.family == REFERENCE
    n_pairs = len(pairs(grid, comparison)) if against_reference else n_rows * (n_rows - 1) // 2
    if n_pairs > MOST_PAIRS:
        raise AblateError(f"{place}: {n_pairs:,} pairs of rows; allowed: at most {MOST_PAIRS:,}; list fewer rows")
    if not n_pairs:
        needed = "a row other than the reference" if against_reference else "two rows"
        raise AblateError(f"{place}: no pair of rows to compare; needed: at least {needed}")


def pinned(grid: Grid) -> tuple[Comparison, ...]:
    """Return the families of a grid with each row named by all its levels, so that other rows may be added."""
    return tuple(
        comparison.model_copy(update={"rows": [dict(grid.rows[n - 1]) for n in numbers(grid, comparison)]})
        for comparison in grid.comparisons
    )
