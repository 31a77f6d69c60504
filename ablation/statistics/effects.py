"""What a factor does over all rows, and whether two of them act together: main effects and interactions."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ablation.grids import design
from ablation.grids.grid import Grid
from ablation.statistics import comparison, differences
from ablation.statistics.comparison import Interval
from ablation.statistics.differences import Rows
from ablation.statistics.facts import Contrast, Effect, Interaction


def mains(grid: Grid, rows: Sequence[int], test: Rows, contrasts: Sequence[Contrast]) -> Iterator[Effect]:
    """Of each level but a factor's first, beside what the one-factor contrasts moved."""
    parts = {f: part for f in grid.varying if rows and (part := design.dummies(grid, rows, f)).size}
    if not parts:
        return
    one, samples = np.ones((len(rows), 1)), [test[r] for r in rows]
    matrix = np.hstack([one, *parts.values()])
    told = {
        f: comparison.estimable(np.hstack([one, *(p for g, p in parts.items() if g != f)]), parts[f]) for f in parts
    }
    basis = comparison.basis(matrix)  # holds all columns of the factors that can be told
    spare, over = len(rows) - len(basis), differences.basis(samples)
    measured, kind = differences.measured(samples, over), samples[0].kind
    values = np.array([s.mean for s in samples]) if over == differences.DRAW else measured.mean(axis=1)
    effects, sizes = (comparison.main_effects(matrix[:, basis], each) for each in (measured, values))
    mains = dict(zip(basis, differences.intervals(effects, sizes, over, kind), strict=True))
    fits = dict(zip(basis, comparison.line_fit(matrix[:, basis], values), strict=True)) if spare else {}
    moved: dict[tuple[str, tuple[Any, Any]], list[float]] = {}
    for c in contrasts:
        moved.setdefault((c.pair.factor, c.pair.levels), []).append(c.difference.value.value)
    occurring = {f: design.occurring(grid, rows, f) for f in parts}
    names = [(f, (levels[0], level)) for f, levels in occurring.items() for level in levels[1:]]
    for column, (factor, levels) in enumerate(names, start=1):
        reason, mine = _no_effect(told[factor], spare), moved.get((factor, levels), [])
        up, down = sum(v > 0 for v in mine), sum(v < 0 for v in mine)
        main, fit = (None, None) if reason else (mains[column], fits[column])
        yield Effect(factor, levels, len(mine), up, down, main, reason, fit, differences.OVER[over])


def _no_effect(told: bool, spare: int) -> str:
    if not told:
        return "not estimable: its levels never vary apart from another factor's"
    return "" if spare else "not estimable: as many effects as rows"


def interactions(grid: Grid, rows: Sequence[int], test: Rows) -> Iterator[Interaction]:
    varying = [f for f in grid.varying if len(design.occurring(grid, rows, f)) > 1]
    for factors in combinations(varying, 2):
        squares = design.squares(grid, rows, factors)
        if not squares:
            yield Interaction(factors, (), f"not estimable: {design.never_together(grid, rows, factors)}")
        elif len(squares) > design.MOST_SQUARES:
            yield Interaction(factors, (), f"estimable: more than {design.MOST_SQUARES} squares")
        else:
            yield Interaction(factors, tuple((s, _interaction(s, test)) for s in squares), "")


def _interaction(square: design.Square, test: Rows) -> Interval:
    samples = [test[r] for r in square.rows]
    over = differences.basis(samples)
    a, b, c, d = differences.measured(samples, over)
    one, two, three, four = (s.mean for s in samples)
    value = np.array([four - three - two + one])
    return differences.intervals((d - c - b + a)[None], value, over, samples[0].kind)[0]
