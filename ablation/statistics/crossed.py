"""Means over random seeds and random examples, or groups of examples: intervals and tests from variance components."""

from dataclasses import dataclass

import numpy as np

from ablation.statistics.distributions import t_isf
from ablation.statistics.groups import GroupSizes
from ablation.statistics.intervals import ALPHA, Interval, rounding

STEPS = 60  # of the bisection for p
SMALLEST_LOG_P = -100.0


@dataclass(frozen=True)
class ComponentMeans:
    """Means of P differences or scores, with the variance components of their sampling.

    The half-width of an interval is the root of the summed squares of the components' own half-widths (Howe 1974), and
    at least the largest half-width over one kind of unit alone. Without this, a test at a level far below 0.05, as
    Holm's is, would err too often with few seeds. With one component, the interval is Student's t.

    Attributes:
        means: (P,).
        variances: C variance components of each mean, (C, P), not negative.
        one_way: variance of each mean over one kind of unit alone, (C, P).
        degrees: degrees of freedom of the components, (C,).
    """

    means: np.ndarray
    variances: np.ndarray
    one_way: np.ndarray
    degrees: np.ndarray

    def half_widths(self, alpha: np.ndarray) -> np.ndarray:
        """Return the half-width of each interval at level 1 - alpha, (P,). `alpha`: (P,)."""
        quantiles = t_isf(alpha / 2, self.degrees[:, None])
        combined = np.sqrt((quantiles**2 * self.variances).sum(axis=0))
        widths: np.ndarray = np.maximum(combined, (quantiles * np.sqrt(self.one_way)).max(axis=0))
        return widths

    def intervals(self) -> list[Interval]:
        """Return the 95 % interval of each mean; the bounds are nan where nothing varies."""
        widths = self.half_widths(np.full(len(self.means), ALPHA))
        widths[self._constant] = np.nan
        return [Interval(float(m), float(m - w), float(m + w)) for m, w in zip(self.means, widths, strict=True)]

    def p_values(self, null: float = 0.0) -> np.ndarray:
        """Return the two-sided p of each mean being `null`, (P,): the alpha whose interval ends at `null`.

        Where nothing varies, p is 1 for a mean of `null`, otherwise nan.
        """
        distances = np.abs(self.means - null)
        low, high = np.full(len(distances), SMALLEST_LOG_P), np.zeros(len(distances))
        for _ in range(STEPS):
            middle = (low + high) / 2
            is_covered = self.half_widths(10**middle) >= distances
            low, high = np.where(is_covered, middle, low), np.where(is_covered, high, middle)
        p: np.ndarray = np.where(distances == 0, 1.0, 10**high)
        p[self._constant & (distances > 0)] = np.nan
        return p

    def equivalent(self, margin: float) -> list[bool]:
        """Return whether each mean lies within `margin` of 0, by two one-sided tests (Schuirmann 1987)."""
        inside = np.abs(self.means) < margin
        worst = np.maximum(self.p_values(margin), self.p_values(-margin)) / 2
        return [bool(value) for value in inside & (worst < ALPHA)]

    @property
    def _constant(self) -> np.ndarray:
        return np.asarray(self.one_way.max(axis=0) == 0)


def grouped_means(values: np.ndarray, sizes: GroupSizes) -> ComponentMeans:
    """Return the means of P rows of values of groups, as `groups.group_values` returns them, (P, G)."""
    means, n_groups = values.mean(axis=1), values.shape[1]
    deviations = (values - means[:, None]) * sizes.scale
    variances = (deviations**2).sum(axis=1)[None] / (n_groups * (n_groups - 1))
    return _without_rounding(values, means, variances, variances, np.array([sizes.degrees]))


def crossed_means(values: np.ndarray, sizes: GroupSizes | None = None) -> ComponentMeans:
    """Return the means of P matrices under crossed random effects: mean + seed effect + example effect + rest.

    With the mean squares of the two-way layout, the components of the mean's variance are (MS_seed - MS_rest) / (S N)
    over seeds, at least 0, and MS_example / (S N) over examples.

    Args:
        values: differences, or scores of one row, (P, S, N) with S, N >= 2; or values of groups, (P, S, G).
        sizes: sizes of the groups where the values are those of groups.
    """
    _, n_seeds, n_units = values.shape
    means, seed_means = values.mean(axis=(1, 2)), values.mean(axis=2)
    deviations = values - seed_means[:, :, None]
    if sizes:
        deviations = deviations * sizes.scale
    unit_effects = deviations.mean(axis=1)
    df_seeds, df_units = n_seeds - 1, n_units - 1
    ms_seeds = n_units * ((seed_means - means[:, None]) ** 2).sum(axis=1) / df_seeds
    ms_units = n_seeds * (unit_effects**2).sum(axis=1) / df_units
    ms_rest = ((deviations - unit_effects[:, None]) ** 2).sum(axis=(1, 2)) / (df_seeds * df_units)
    one_way = np.stack([ms_seeds, ms_units]) / (n_seeds * n_units)
    variances = np.stack([np.maximum(ms_seeds - ms_rest, 0), ms_units]) / (n_seeds * n_units)
    degrees = np.array([df_seeds, sizes.degrees if sizes else df_units], float)
    return _without_rounding(values, means, variances, one_way, degrees)


def means_of_own_seeds(first: np.ndarray, second: np.ndarray, sizes: GroupSizes | None = None) -> ComponentMeans:
    """Return the mean difference of two rows of independent seeds on the same units, second minus first.

    The components over seeds add up, with Welch's (1947) degrees of freedom; that over units is of paired differences.

    Args:
        first, second: scores of the two rows, (S, N) and (T, N) with S, T, N >= 2; or values of groups.
        sizes: sizes of the groups where the values are those of groups.
    """
    parts = [crossed_means(values[None], sizes) for values in (first, second)]
    seeds = np.array([part.one_way[0, 0] for part in parts])
    difference = second.mean(axis=0) - first.mean(axis=0)
    deviations = difference - difference.mean()
    if sizes:
        deviations = deviations * sizes.scale
    n_units, of_seeds = len(difference), sum(part.variances[0, 0] for part in parts)
    of_units = (deviations**2).sum() / (n_units * (n_units - 1))
    df_seeds = min(len(first), len(second)) - 1.0
    if seeds.any():
        df_seeds = seeds.sum() ** 2 / sum(seeds**2 / (len(first) - 1, len(second) - 1))
    return _without_rounding(
        np.concatenate([first, second]), difference.mean()[None], np.array([[of_seeds], [of_units]]),
        np.array([[seeds.sum()], [of_units]]), np.array([df_seeds, parts[0].degrees[1]]),
    )  # fmt: skip


def _without_rounding(
    values: np.ndarray, means: np.ndarray, variances: np.ndarray, one_way: np.ndarray, degrees: np.ndarray
) -> ComponentMeans:
    """Return the means, with 0 in place of means and variances that are rounding alone."""
    smallest = rounding(values)
    is_rounding = one_way < smallest**2
    return ComponentMeans(
        np.where(np.abs(means) < smallest, 0.0, means),
        np.where(is_rounding, 0.0, variances),
        np.where(is_rounding, 0.0, one_way),
        degrees,
    )
