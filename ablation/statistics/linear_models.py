"""Linear models of rows: estimable terms, main effects, ordinary least squares."""

import numpy as np

from ablation.late_imports import late_import
from ablation.statistics.distributions import t_ppf
from ablation.statistics.intervals import ALPHA, Interval

linear_model = late_import("statsmodels.regression.linear_model")


def estimable(design: np.ndarray, term: np.ndarray) -> bool:
    """Return whether every column of `term` is linearly independent of `design` and of the other columns of `term`.

    `design`: (R, p). `term`: (R, q), q >= 1.
    """
    rank = np.linalg.matrix_rank
    return bool(rank(np.hstack([design, term])) == rank(design) + term.shape[1])


def basis(design: np.ndarray) -> list[int]:
    """Return the indices of linearly independent columns of `design`, (R, p); their number is the rank.

    A column is left out where the columns before it add up to it.
    """
    independent_columns: list[int] = []
    for column in range(design.shape[1]):
        if np.linalg.matrix_rank(design[:, [*independent_columns, column]]) > len(independent_columns):
            independent_columns.append(column)
    return independent_columns


def main_effects(design: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the least-squares coefficients of a linear model of the scores, for each of N examples: (p, N).

    Columns of the scores may be examples, seeds or bootstrap draws. All columns have the same design, so the model is
    fitted to each column alone. `means` of a coefficient over examples is the cluster-robust interval with examples as
    clusters (Liang & Zeger 1986), except for its correction for few rows.

    Args:
        design: design matrix of rank p, (R, p).
        scores: scores of R rows on the same N examples, (R, N).
    """
    coefficients: np.ndarray = np.linalg.pinv(design) @ scores.astype(float)
    return coefficients


def ordinary_least_squares(design: np.ndarray, values: np.ndarray) -> list[Interval]:
    """Return the coefficients of an ordinary least squares fit of R values, with Student's t intervals over rows.

    What the model does not describe widens the intervals: interactions, and the noise of a seed.

    Args:
        design: design matrix of rank p < R, (R, p).
        values: one value per row, (R,).

    Returns:
        p intervals, in the unit of the values.
    """
    n_rows, n_terms = design.shape
    u, singular, vt = np.linalg.svd(design, full_matrices=False)
    inverse = vt.T @ ((1.0 / singular)[:, None] * u.T)
    coefficients = inverse @ values
    residuals = values - design @ coefficients
    variance = (residuals @ residuals) / (n_rows - n_terms)
    errors = np.sqrt(np.diag(inverse @ inverse.T * variance))
    reach = t_ppf(1 - ALPHA / 2, n_rows - n_terms) * errors
    bounds = zip(coefficients, coefficients - reach, coefficients + reach, strict=True)
    return [Interval(*map(float, estimate)) for estimate in bounds]


def partial_f(design: np.ndarray, term: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Return the F statistic and p of a term, given the rest of the model.

    Args:
        design: design matrix of the other terms, (R, p), of full rank.
        term: columns of the term, (R, q), independent of `design`.
        values: one value per row, (R,).
    """
    f, p, _ = (
        linear_model.OLS(values, np.hstack([design, term])).fit().compare_f_test(linear_model.OLS(values, design).fit())
    )
    return float(f), float(p)


def adjusted_share(design: np.ndarray, values: np.ndarray) -> float:
    """Return the share of variance that a model explains, adjusted for its number of terms (adjusted R2).

    `design`: (R, p), with an intercept. `values`: (R,).
    """
    return float(linear_model.OLS(values, design).fit().rsquared_adj)
