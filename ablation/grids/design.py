"""What the rows of a grid can say: which differ in one factor, and which effects and interactions can be estimated."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from ablation.grids.grid import Grid
from ablation.grids.levels import short

MOST_SQUARES = 12  # of one interaction: more are counted, not listed


@dataclass(frozen=True)
class Pair:
    """Two rows that differ in one factor alone; `first` has the level that comes first in `levels`."""

    factor: str
    first: int
    second: int
    levels: tuple[Any, Any]


@dataclass(frozen=True)
class Square:
    """Four rows that differ in two factors alone: all combinations of two levels each.

    `rows`: (first, first), (first, second), (second, first), (second, second) level of the two factors.
    """

    factors: tuple[str, str]
    levels: tuple[tuple[Any, Any], tuple[Any, Any]]
    rows: tuple[int, int, int, int]


def levels(grid: Grid, factor: str) -> list[Any]:
    """The levels of a factor: the reference's first, then numbers by size, others as they appear."""
    first = getattr(grid.rows[grid.reference - 1], factor)
    rest = [level for level in dict.fromkeys(getattr(row, factor) for row in grid.rows) if level != first]
    numbers = all(isinstance(level, int | float) for level in rest)
    return [first, *(sorted(rest) if numbers else rest)]


def _groups(grid: Grid, rows: Collection[int], apart: Sequence[str]) -> Iterator[dict[tuple[Any, ...], int]]:
    """Rows that agree in all varying factors but those of `apart`: the levels of these -> row."""
    fixed = [f for f in grid.varying if f not in apart]
    found: dict[tuple[Any, ...], dict[tuple[Any, ...], int]] = {}
    for number in sorted(rows):
        row = grid.rows[number - 1]
        key = tuple(getattr(row, f) for f in fixed)
        found.setdefault(key, {})[tuple(getattr(row, f) for f in apart)] = number
    return iter(found.values())


def pairs(grid: Grid, rows: Collection[int]) -> list[Pair]:
    """Every pair of `rows` that differ in one factor, by factor, then by row."""
    found = []
    for factor in grid.varying:
        rank = {level: place for place, level in enumerate(levels(grid, factor))}
        some = []
        for group in _groups(grid, rows, [factor]):
            for (a, first), (b, second) in combinations(sorted(group.items(), key=lambda g: rank[g[0][0]]), 2):
                some.append(Pair(factor, first, second, (a[0], b[0])))
        found += sorted(some, key=lambda p: (min(p.first, p.second), max(p.first, p.second)))
    return found


def squares(grid: Grid, rows: Collection[int], factors: tuple[str, str]) -> list[Square]:
    """The squares of two factors, at most MOST_SQUARES + 1 of them: more are only counted as more."""
    one, other = (levels(grid, f) for f in factors)
    found = []
    for group in _groups(grid, rows, factors):
        for (a, b), (c, d) in product(combinations(one, 2), combinations(other, 2)):
            corners = [group.get(cell) for cell in ((a, c), (a, d), (b, c), (b, d))]
            if all(corners):
                found.append(Square(factors, ((a, b), (c, d)), tuple(corners)))  # type: ignore[arg-type]
            if len(found) > MOST_SQUARES:
                return found
    return found


def never_together(grid: Grid, rows: Collection[int], factors: tuple[str, str]) -> str:
    """Why an interaction cannot be estimated, in words."""
    seen = {tuple(getattr(grid.rows[r - 1], f) for f in factors) for r in rows}
    for cell in product(*(reversed(levels(grid, f)) for f in factors)):
        if cell not in seen:
            return "no runs with " + " and ".join(
                f"{f.replace('_', ' ')} {short(f, level)}" for f, level in zip(factors, cell, strict=True)
            )
    return "no four rows differ in these two factors alone"


def cells(grid: Grid) -> int:
    """How many combinations the levels of the varying factors have."""
    return int(np.prod([len(levels(grid, f)) for f in grid.varying], dtype=object))


def occurring(grid: Grid, rows: Collection[int], factor: str) -> list[Any]:
    """The levels of a factor in `rows`, in their order: the first is what the others are measured against."""
    mine = {getattr(grid.rows[r - 1], factor) for r in rows}
    return [level for level in levels(grid, factor) if level in mine]


def dummies(grid: Grid, rows: Sequence[int], factor: str) -> np.ndarray:
    """A column of 0 and 1 for each level that occurs in `rows`, but the first: (R, levels - 1)."""
    mine = [getattr(grid.rows[r - 1], factor) for r in rows]
    columns = [[float(level == wanted) for level in mine] for wanted in occurring(grid, rows, factor)[1:]]
    return np.array(columns).reshape(-1, len(rows)).T
