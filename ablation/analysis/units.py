"""Units that rows are compared over: seeds, examples, groups of examples, or seeds and examples at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablation.analysis.facts import SEEDS, Sample
from ablation.measures.measure import AGGREGATE, BINARY
from ablation.statistics import bootstrap, intervals, tests
from ablation.statistics.crossed import ComponentMeans, crossed_means, grouped_means
from ablation.statistics.groups import FEW as FEW_GROUPS
from ablation.statistics.groups import FEWEST as FEWEST_GROUPS
from ablation.statistics.groups import GroupSizes, group_values
from ablation.statistics.intervals import Interval
from ablation.study import table_keys

# Sources of the intervals and tests.
SEED, FOLD, SCORE, CROSSED, DRAW, TWO_WAY, WIDER, NOTHING = (
    "seeds", "folds", "scores", "seeds x scores", "draws", "seeds x draws", "seeds or draws", "",
)  # fmt: skip
MEANS = (SEED, FOLD, SCORE, CROSSED, NOTHING)  # sources whose columns have the row's value as their mean
TWO_WAY_SEEDS = 10  # with fewer seeds, a two-way bootstrap covers too little: seeds and examples alone, the wider
FEW = 30  # with fewer examples, a sign-flip test is added to the t test
NO_P = float("nan")


@dataclass(frozen=True)
class Basis:
    """Units that some rows are compared over.

    Attributes:
        source: what intervals and tests are computed from, one of the constants above.
        seeds: number of seeds of each row.
        sizes: sizes of the groups, where groups of examples are the units.
    """

    source: str
    seeds: int = 1
    sizes: GroupSizes | None = None

    @property
    def over(self) -> str:
        """Units in words: "seeds", "examples", "groups", "seeds and examples", ...; "" for none."""
        units = "groups" if self.sizes else "examples"
        return {
            SEED: "seeds", FOLD: "folds", SCORE: units, DRAW: units, CROSSED: f"seeds and {units}",
            TWO_WAY: f"seeds and {units}", WIDER: f"seeds or {units}, the wider", NOTHING: "",
        }[self.source]  # fmt: skip

    @property
    def drawn(self) -> bool:
        """True where intervals and tests are those of bootstrap samples."""
        return self.source in (DRAW, TWO_WAY, WIDER)

    def matrix(self, values: np.ndarray) -> np.ndarray:
        """Return values as `measured` gives them, (P, S * N), as matrices (P, S, N)."""
        return values.reshape(len(values), self.seeds, -1)

    def components(self, values: np.ndarray) -> ComponentMeans | None:
        """Return the means of P differences with their variance components; None for other sources."""
        if self.source == CROSSED:
            return crossed_means(self.matrix(values), self.sizes)
        return grouped_means(values, self.sizes) if self.source == SCORE and self.sizes else None


def basis(rows: Sequence[Sample]) -> Basis:
    """Return the units that rows can be compared over.

    They are those that the rows' `uncertainty` names, where all rows have them: at least three common seeds, scores of
    the same examples, or bootstrap draws of an aggregate. Otherwise the rows are compared over what they have.
    """
    first = rows[0]
    has_seeds = len({r.seeds for r in rows}) == 1 and len(first.seeds) >= SEEDS
    if first.by_fold:
        return Basis(FOLD if has_seeds else NOTHING, len(first.seeds))
    columns = [r.scores for r in rows], [r.pseudo for r in rows], [r.draws for r in rows]
    of_each, of_units, has_draws = (all(values is not None for values in column) for column in columns)
    has_scores = of_each or of_units
    seeds, sizes = len(first.seeds), None
    if first.groups is not None and (has_scores or has_draws):
        sizes = GroupSizes(np.bincount(first.groups))
        if len(sizes.sizes) < FEWEST_GROUPS:
            return Basis(NOTHING)
    is_both = first.uncertainty == table_keys.BOTH and has_seeds
    if is_both and has_scores:
        return Basis(CROSSED, seeds, sizes)
    if is_both and has_draws:
        return Basis(TWO_WAY if seeds >= TWO_WAY_SEEDS else WIDER, seeds, sizes)
    if has_seeds and (first.uncertainty != table_keys.EXAMPLES or not (has_scores or has_draws)):
        return Basis(SEED, seeds)
    return Basis(SCORE if has_scores else DRAW if has_draws else NOTHING, seeds, sizes)


def measured(rows: Sequence[Sample], units: Basis) -> np.ndarray:
    """Return the values of R rows to compare, one column per unit.

    Returns:
        The value for each seed or fold, (R, S); the mean score of each example, (R, N), or group, (R, G), or their
            pseudo-values; these for each seed, (R, S * N); the mean under each bootstrap sample, (R, B); seeds and
            samples, (R, S + B); or the mean alone, (R, 1).
    """
    if units.source == SEED:
        return np.stack([r.values for r in rows])
    if units.source == FOLD:
        return np.stack([intervals.of_overlapping_folds(r.values) for r in rows])
    if units.source == SCORE:
        return np.stack([_by_group(r, r.share) if r.pseudo is None else r.pseudo.mean(axis=0) for r in rows])
    if units.source == CROSSED:
        return np.stack([of_seeds(r).ravel() for r in rows])
    if units.source == TWO_WAY:
        counts = _seed_counts(units.seeds)
        return np.stack([(counts * r.draws).sum(axis=0) / units.seeds for r in rows if r.draws is not None])
    if units.source == NOTHING:
        return np.array([[r.mean] for r in rows])
    draws = np.stack([r.draws.mean(axis=0) for r in rows if r.draws is not None])
    return np.hstack([np.stack([r.values for r in rows]), draws]) if units.source == WIDER else draws


def _by_group(sample: Sample, scores: np.ndarray) -> np.ndarray:
    """Return scores (..., N), or values of groups (..., G) where groups are the units."""
    return scores.astype(float) if sample.groups is None else group_values(scores, sample.groups)


def of_seeds(sample: Sample) -> np.ndarray:
    """Return the value of each seed and unit, (S, N) or (S, G): scores, or pseudo-values of an aggregate."""
    if sample.pseudo is not None:
        return sample.pseudo
    assert sample.scores is not None
    return _by_group(sample, sample.scores)


def _seed_counts(seeds: int) -> np.ndarray:
    """Return how often each seed occurs in each bootstrap sample of seeds, (S, RESAMPLES): the same for all rows."""
    return np.concatenate(list(bootstrap.example_weights(seeds, bootstrap.RESAMPLES, seed=1))).T


def intervals_of(combined: np.ndarray, values: np.ndarray, units: Basis, kind: str) -> list[Interval]:
    """Return the interval of each of P combinations of rows. Bounds are nan where there is nothing to compute them
    from.

    Args:
        combined: the same combinations of the output of `measured`, (P, M).
        values: value of each combination, (P,).
        units: units of comparison, as `basis` returns them.
        kind: kind of the measure.
    """
    if components := units.components(combined):
        bounds = zip(values, components.intervals(), strict=True)
        return [Interval(float(value), interval.low, interval.high) for value, interval in bounds]
    if units.source in (DRAW, TWO_WAY):
        return bootstrap.percentiles(values, combined)
    if units.source == WIDER:
        over_seeds, drawn = combined[:, : units.seeds], combined[:, units.seeds :]
        return list(map(_wider, intervals.of_scores(over_seeds), bootstrap.percentiles(values, drawn)))
    if units.source == SCORE and kind == BINARY:
        return intervals.bonett_price_of_differences(combined)
    return intervals.of_scores(combined)


def _wider(a: Interval, b: Interval) -> Interval:
    """Return the wider of two intervals, with the value of the first; without bounds where one has none."""
    low, high = (b.low, b.high) if b.high - b.low > a.high - a.low else (a.low, a.high)
    return Interval(a.value, low + 0 * b.low, high + 0 * b.high)  # nan where a bound is missing


def p_values(a: np.ndarray, b: np.ndarray, units: Basis) -> list[float]:
    """Return the p of no difference for each of P pairs; nan where nothing can be tested.

    `a`, `b`: output of `measured` for the first and the second rows, (P, M).
    """
    if components := units.components(b - a):
        return [float(p) for p in components.p_values()]
    if units.source in (DRAW, TWO_WAY):
        return tests.bootstrap_p(b - a)
    if units.source == WIDER:
        seeds = units.seeds
        drawn = tests.bootstrap_p(b[:, seeds:] - a[:, seeds:])
        return list(map(max, tests.paired_p(a[:, :seeds], b[:, :seeds]), drawn))
    return tests.paired_p(a, b) if units.source else [NO_P] * len(a)


def exact_p_values(a: np.ndarray, b: np.ndarray, units: Basis, kind: str) -> list[float] | list[None]:
    """Return the p of the sign-flip test, for few units; None for each pair otherwise, and for pseudo-values, whose
    signs cannot be flipped. `a`, `b`: as for `p_values`."""
    if units.source == SEED:
        return tests.sign_flip(a, b)
    if kind == AGGREGATE:
        return [None] * len(a)
    if units.source == SCORE and units.sizes and len(units.sizes.sizes) < FEW_GROUPS:
        shares = units.sizes.symmetric(b - a)
        return tests.sign_flip(np.zeros_like(shares), shares)
    few_examples = units.source == SCORE and not units.sizes and kind != BINARY and a.shape[1] < FEW
    return tests.sign_flip(a, b) if few_examples else [None] * len(a)


def equivalences(
    a: np.ndarray, b: np.ndarray, margin: float | None, units: Basis, kind: str
) -> list[bool] | list[None]:
    """Return whether each pair is equivalent within the margin; None for pairs that have nothing to test with."""
    if margin is None:
        return [None] * len(a)
    if components := units.components(b - a):
        return components.equivalent(margin)
    if units.source in (SEED, FOLD, SCORE):
        return tests.equivalent(a, b, margin, kind == BINARY and units.source == SCORE)
    return [None] * len(a)
