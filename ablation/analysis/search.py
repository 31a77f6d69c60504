"""Tests of factors in a study whose rows differ in several factors at once, as those of a search do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.statistics import linear_models, tests
from ablation.statistics.intervals import Interval
from ablation.study import design
from ablation.study.grid import Grid

FEWEST = 5  # degrees of freedom that are left for a model of the rows


@dataclass(frozen=True)
class FactorTest:
    """Test of one factor in an additive model of the rows' means, given all other factors.

    Attributes:
        terms: number of coefficients of the factor: 1 for a straight line.
        levels: the first and the last level of a straight line; otherwise None.
        change: change of the mean from the first to the last level of a straight line; otherwise None.
        f: F statistic; nan where the factor cannot be separated from the others.
        p, p_holm: p value of no effect, and adjusted over the factors.
    """

    factor: str
    terms: int
    levels: tuple[float, float] | None
    change: Interval | None
    f: float
    p: float
    p_holm: float = float("nan")


@dataclass(frozen=True)
class FactorTests:
    """Tests of all factors. `n_rows`: rows of the model. `degrees`: degrees of freedom that are left. `explained`:
    share of the variance between rows that the model explains, adjusted for its size."""

    tests: tuple[FactorTest, ...]
    n_rows: int
    degrees: int
    explained: float


def factor_tests(study: StudyAnalysis) -> FactorTests | None:
    """Return the tests of the factors; None where main effects can be estimated, or too few rows are left for a model.

    Each row counts once, however many runs repeat it: repeats of one setting are not independent.
    """
    grid, effects = study.record.grid, study.analysis.effects
    rows = sorted(study.analysis.rows)
    if not grid.is_imported or not effects or not all(effect.reason for effect in effects):
        return None
    values = np.array([study.analysis.rows[row].primary.value for row in rows])
    parts = {factor: part for factor in grid.varying if (part := _columns(grid, rows, factor)).size}
    matrix = np.hstack([np.ones((len(rows), 1)), *parts.values()])
    basis = linear_models.basis(matrix)
    degrees = len(rows) - len(basis)
    if degrees < FEWEST:
        return None
    tested = [_tested(grid, rows, factor, parts, values) for factor in parts]
    p_holm = iter(tests.holm([test.p for test in tested if test.p == test.p]))
    adjusted = tuple(replace(t, p_holm=next(p_holm)) if t.p == t.p else t for t in tested)
    return FactorTests(adjusted, len(rows), degrees, linear_models.adjusted_share(matrix[:, basis], values))


def _is_line(grid: Grid, rows: Sequence[int], factor: str) -> bool:
    """Return whether a factor enters as a straight line: numbers with more than two levels."""
    levels = design.occurring(grid, rows, factor)
    return len(levels) > 2 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in levels)


def _columns(grid: Grid, rows: Sequence[int], factor: str) -> np.ndarray:
    """Return the columns of a factor: a line from 0 to 1, or indicators of all levels but the first; (R, q)."""
    if not _is_line(grid, rows, factor):
        return design.dummies(grid, rows, factor)
    levels = np.array([float(grid.rows[row - 1][factor]) for row in rows])
    column: np.ndarray = ((levels - levels.min()) / np.ptp(levels))[:, None]
    return column


def _tested(
    grid: Grid, rows: Sequence[int], factor: str, parts: dict[str, np.ndarray], values: np.ndarray
) -> FactorTest:
    others = np.hstack([np.ones((len(rows), 1)), *(part for name, part in parts.items() if name != factor)])
    part, is_line = parts[factor], _is_line(grid, rows, factor)
    levels = [float(grid.rows[row - 1][factor]) for row in rows] if is_line else []
    ends = (min(levels), max(levels)) if levels else None
    if not linear_models.estimable(others, part):
        return FactorTest(factor, part.shape[1], ends, None, float("nan"), float("nan"))
    others = others[:, linear_models.basis(others)]
    f, p = linear_models.partial_f(others, part, values)
    change = linear_models.ordinary_least_squares(np.hstack([part, others]), values)[0] if is_line else None
    return FactorTest(factor, part.shape[1], ends, change, f, p)
