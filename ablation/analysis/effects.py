"""Main effects of factors over all rows, and interactions between two factors."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ablation.analysis import units
from ablation.analysis.differences import Rows
from ablation.analysis.facts import Contrast, Effect, Interaction
from ablation.statistics import linear_models
from ablation.statistics.intervals import Interval
from ablation.study import design
from ablation.study.grid import Grid

# Reasons for a missing effect, as tables print them.
CONFOUNDED = "not estimable: its levels never vary apart from another factor's"
SATURATED = "not estimable: as many effects as rows"
TOO_MANY = f"estimable: more than {design.MOST_SQUARES} squares"


def main_effects(grid: Grid, rows: Sequence[int], test: Rows, contrasts: Sequence[Contrast]) -> Iterator[Effect]:
    """Yield the main effect of each level of a factor but the first, with the number of one-factor contrasts that rose
    and fell.

    Args:
        grid: the study's grid.
        rows: numbers of the R rows on the reference's examples.
        test: row -> sample of the primary measure on test.
        contrasts: pairs of rows that differ in one factor.
    """
    parts = {f: part for f in grid.varying if rows and (part := design.dummies(grid, rows, f)).size}
    if not parts:
        return
    intercept, samples = np.ones((len(rows), 1)), [test[r] for r in rows]
    matrix = np.hstack([intercept, *parts.values()])
    estimable = {
        f: linear_models.estimable(np.hstack([intercept, *(p for g, p in parts.items() if g != f)]), parts[f])
        for f in parts
    }
    basis = linear_models.basis(matrix)  # includes all columns of the estimable factors
    degrees_of_freedom, over = len(rows) - len(basis), units.basis(samples)
    measured, kind = units.measured(samples, over), samples[0].kind
    values = measured.mean(axis=1) if over.source in units.MEANS else np.array([s.mean for s in samples])
    effects, sizes = (linear_models.main_effects(matrix[:, basis], scores) for scores in (measured, values))
    coefficients = dict(zip(basis, units.intervals_of(effects, sizes, over, kind), strict=True))
    fits = (
        dict(zip(basis, linear_models.ordinary_least_squares(matrix[:, basis], values), strict=True))
        if degrees_of_freedom
        else {}
    )
    moved: dict[tuple[str, tuple[Any, Any]], list[float]] = {}
    for c in contrasts:
        moved.setdefault((c.pair.factor, c.pair.levels), []).append(c.difference.value.value)
    occurring = {f: design.occurring(grid, rows, f) for f in parts}
    names = [(f, (levels[0], level)) for f, levels in occurring.items() for level in levels[1:]]
    for column, (factor, levels) in enumerate(names, start=1):
        reason, changes = _no_effect(estimable[factor], degrees_of_freedom), moved.get((factor, levels), [])
        up, down = sum(v > 0 for v in changes), sum(v < 0 for v in changes)
        main, fit = (None, None) if reason else (coefficients[column], fits[column])
        yield Effect(factor, levels, len(changes), up, down, main, reason, fit, over.over)


def _no_effect(estimable: bool, degrees_of_freedom: int) -> str:
    """Return the reason why a main effect cannot be estimated; "" where it can."""
    if not estimable:
        return CONFOUNDED
    return "" if degrees_of_freedom else SATURATED


def interactions(grid: Grid, rows: Sequence[int], test: Rows) -> Iterator[Interaction]:
    """Yield the interaction of each two factors that vary, or the reason why it is not estimated."""
    varying = [f for f in grid.varying if len(design.occurring(grid, rows, f)) > 1]
    for factors in combinations(varying, 2):
        squares = design.squares(grid, rows, factors)
        if not squares:
            yield Interaction(factors, (), f"not estimable: {design.never_together(grid, rows, factors)}")
        elif len(squares) > design.MOST_SQUARES:
            yield Interaction(factors, (), TOO_MANY)
        else:
            yield Interaction(factors, tuple((s, _interaction(s, test)) for s in squares), "")


def _interaction(square: design.TwoByTwo, test: Rows) -> Interval:
    """Return the difference of differences of one square, with its interval."""
    samples = [test[r] for r in square.rows]
    over = units.basis(samples)
    a, b, c, d = units.measured(samples, over)
    one, two, three, four = (s.mean for s in samples)
    value = np.array([four - three - two + one])
    return units.intervals_of((d - c - b + a)[None], value, over, samples[0].kind)[0]
