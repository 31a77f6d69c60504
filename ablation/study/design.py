"""Design of a grid: rows that differ in one factor, and the effects and interactions that can be estimated."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from ablation.study.grid import Grid
from ablation.study.levels import short

MOST_SQUARES = 12  # most 2 x 2 blocks of one interaction that are listed; others are only counted


@dataclass(frozen=True)
class Pair:
    """Two rows that differ in one factor alone. `levels` has the level of row `first`, then that of row `second`."""

    factor: str
    first: int
    second: int
    levels: tuple[Any, Any]


@dataclass(frozen=True)
class TwoByTwo:
    """Four rows that differ in two factors alone: all combinations of two levels each.

    `rows`: (first, first), (first, second), (second, first), (second, second) level of the two factors.
    """

    factors: tuple[str, str]
    levels: tuple[tuple[Any, Any], tuple[Any, Any]]
    rows: tuple[int, int, int, int]


def levels(grid: Grid, factor: str) -> list[Any]:
    """Return the levels of a factor: the reference's first, then numbers in ascending order, others in row order."""
    first = getattr(grid.rows[grid.reference - 1], factor)
    others = [level for level in dict.fromkeys(getattr(row, factor) for row in grid.rows) if level != first]
    numbers = all(isinstance(level, int | float) for level in others)
    return [first, *(sorted(others) if numbers else others)]


def _groups(grid: Grid, rows: Collection[int], free: Sequence[str]) -> Iterator[dict[tuple[Any, ...], int]]:
    """Return groups of rows that agree in all varying factors except `free`. A group maps levels of `free` to a row."""
    fixed = [f for f in grid.varying if f not in free]
    groups: dict[tuple[Any, ...], dict[tuple[Any, ...], int]] = {}
    for number in sorted(rows):
        row = grid.rows[number - 1]
        key = tuple(getattr(row, f) for f in fixed)
        groups.setdefault(key, {})[tuple(getattr(row, f) for f in free)] = number
    return iter(groups.values())


def pairs(grid: Grid, rows: Collection[int]) -> list[Pair]:
    """Return every pair of `rows` that differ in one factor alone, ordered by factor, then by row."""
    all_pairs = []
    for factor in grid.varying:
        rank = {level: place for place, level in enumerate(levels(grid, factor))}
        factor_pairs = []
        for group in _groups(grid, rows, [factor]):
            for (a, first), (b, second) in combinations(sorted(group.items(), key=lambda g: rank[g[0][0]]), 2):
                factor_pairs.append(Pair(factor, first, second, (a[0], b[0])))
        all_pairs += sorted(factor_pairs, key=lambda p: (min(p.first, p.second), max(p.first, p.second)))
    return all_pairs


def squares(grid: Grid, rows: Collection[int], factors: tuple[str, str]) -> list[TwoByTwo]:
    """Return the 2 x 2 blocks of two factors, at most MOST_SQUARES + 1 of them: the last one shows that more exist."""
    first_levels, second_levels = (levels(grid, f) for f in factors)
    blocks = []
    for group in _groups(grid, rows, factors):
        firsts, seconds = {a for a, _ in group}, {b for _, b in group}
        in_group = [a for a in first_levels if a in firsts], [b for b in second_levels if b in seconds]
        for (a, b), (c, d) in product(*(combinations(occurring_levels, 2) for occurring_levels in in_group)):
            corners = [group.get(cell) for cell in ((a, c), (a, d), (b, c), (b, d))]
            if all(corners):
                blocks.append(TwoByTwo(factors, ((a, b), (c, d)), tuple(corners)))  # type: ignore[arg-type]
            if len(blocks) > MOST_SQUARES:
                return blocks
    return blocks


def never_together(grid: Grid, rows: Collection[int], factors: tuple[str, str]) -> str:
    """Return the reason, in words, why the interaction of two factors cannot be estimated."""
    observed = {tuple(getattr(grid.rows[r - 1], f) for f in factors) for r in rows}
    for cell in product(*(reversed(levels(grid, f)) for f in factors)):
        if cell not in observed:
            return "no runs with " + " and ".join(
                f"{f.replace('_', ' ')} {short(f, level)}" for f, level in zip(factors, cell, strict=True)
            )
    return "no four rows differ in these two factors alone"


def cells(grid: Grid) -> int:
    """Return the number of combinations of the levels of the varying factors."""
    return int(np.prod([len(levels(grid, f)) for f in grid.varying], dtype=object))


def occurring(grid: Grid, rows: Collection[int], factor: str) -> list[Any]:
    """Return the levels of a factor that occur in `rows`, in the order of `levels`. The first is the baseline."""
    occurring_levels = {getattr(grid.rows[r - 1], factor) for r in rows}
    return [level for level in levels(grid, factor) if level in occurring_levels]


def dummies(grid: Grid, rows: Sequence[int], factor: str) -> np.ndarray:
    """Return 0/1 indicator columns of the levels in `rows`, except the first level: shape (R, levels - 1)."""
    row_levels = [getattr(grid.rows[r - 1], factor) for r in rows]
    columns = [[float(level == indicated) for level in row_levels] for indicated in occurring(grid, rows, factor)[1:]]
    return np.array(columns).reshape(-1, len(rows)).T
