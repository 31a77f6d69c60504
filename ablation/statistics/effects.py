"""What a factor does over all rows, and whether two of them act together: main effects and interactions."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ablation.grids import design
from ablation.grids.grid import Grid
from ablation.statistics import comparison, differences
from ablation.statistics.comparison import Interval
from ablation.statistics.facts import Answers, Contrast, Effect, Interaction


def mains(
    grid: Grid, rows: Sequence[int], test: Mapping[int, Answers], contrasts: Sequence[Contrast]
) -> Iterator[Effect]:
    """Of each level but a factor's first, beside what the one-factor contrasts moved."""
    parts = {f: part for f in grid.varying if rows and (part := design.dummies(grid, rows, f)).size}
    if not parts:
        return
    one, answers = np.ones((len(rows), 1)), [test[r] for r in rows]
    matrix = np.hstack([one, *parts.values()])
    told = {
        f: comparison.estimable(np.hstack([one, *(p for g, p in parts.items() if g != f)]), parts[f]) for f in parts
    }
    basis = comparison.basis(matrix)  # holds all columns of the factors that can be told
    spare, over = len(rows) - len(basis), differences.compared_over(answers)
    measured = differences.measured(answers, over)
    mains = dict(zip(basis, _intervals(comparison.main_effects(matrix[:, basis], measured), over), strict=True))
    fits = dict(zip(basis, comparison.line_fit(matrix[:, basis], measured.mean(axis=1)), strict=True)) if spare else {}
    moved: dict[tuple[str, tuple[Any, Any]], list[float]] = {}
    for c in contrasts:
        moved.setdefault((c.pair.factor, c.pair.levels), []).append(c.difference.accuracy.value)
    occurring = {f: design.occurring(grid, rows, f) for f in parts}
    names = [(f, (levels[0], level)) for f, levels in occurring.items() for level in levels[1:]]
    for column, (factor, levels) in enumerate(names, start=1):
        reason, mine = _no_effect(told[factor], spare), moved.get((factor, levels), [])
        up, down = sum(v > 0 for v in mine), sum(v < 0 for v in mine)
        main, fit = (None, None) if reason else (mains[column], fits[column])
        yield Effect(factor, levels, len(mine), up, down, main, reason, fit, over)


def _intervals(effects: np.ndarray, over: str) -> list[Interval]:
    """Of each effect's mean, (P, N)."""
    return comparison.of_images(effects) if over == "images" else comparison.means(effects)


def _no_effect(told: bool, spare: int) -> str:
    if not told:
        return "not estimable: its levels never vary apart from another factor's"
    return "" if spare else "not estimable: as many effects as rows"


def interactions(grid: Grid, rows: Sequence[int], test: Mapping[int, Answers]) -> Iterator[Interaction]:
    varying = [f for f in grid.varying if len(design.occurring(grid, rows, f)) > 1]
    for factors in combinations(varying, 2):
        squares = design.squares(grid, rows, factors)
        if not squares:
            yield Interaction(factors, (), f"not estimable: {design.never_together(grid, rows, factors)}")
        elif len(squares) > design.MOST_SQUARES:
            yield Interaction(factors, (), f"estimable: more than {design.MOST_SQUARES} squares")
        else:
            yield Interaction(factors, tuple((s, _interaction(s, test)) for s in squares), "")


def _interaction(square: design.Square, test: Mapping[int, Answers]) -> Interval:
    answers = [test[r] for r in square.rows]
    over = differences.compared_over(answers)
    a, b, c, d = differences.measured(answers, over)
    return _intervals((d - c - b + a)[None], over)[0]
