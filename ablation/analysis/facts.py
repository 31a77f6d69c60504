"""Statistics of a study as typed values, computed by `analysis` and printed by tables."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ablation.statistics.intervals import Interval
from ablation.statistics.tests import Discordance
from ablation.study import design
from ablation.study.table_keys import SEEDS as SEEDS_ALONE

OF_TRAININGS = ("seeds", "settings")  # units of intervals over the trainings of a row
SEEDS = 3  # with at least so many seeds, intervals and tests are over seeds
GAP = 0.20  # train minus validation accuracy above which a row is marked as overfitting


@dataclass(frozen=True)
class Inference:
    """Variation that the intervals and tests of a study cover.

    `uncertainty`: "seeds", "examples" or "both". `by_group`: whether groups of examples are the units, where the
    examples have groups. `by_fold`: whether the seeds are folds of a cross-validation. `clusters`: seed -> cluster,
    where the trainings of a row are repeats of different settings. `legacy`: whether the methods are those of version
    0.1, where later ones differ.
    """

    uncertainty: str = SEEDS_ALONE
    by_group: bool = False
    by_fold: bool = False
    clusters: Mapping[int, int] = field(default_factory=dict)
    legacy: bool = False


@dataclass(frozen=True)
class Sample:
    """Scores of the trainings of one row by one measure on one split, with the data for their intervals.

    Args:
        split: digest of the examples. Rows are compared only where the digest is the same.
        seeds: seeds of the S trainings.
        kind: kind of the measure, one of `measures.measure.KINDS`.
        bounds: smallest and largest possible value.
        values: score of each seed, (S,).
        n: number of examples; 0 where the examples are unknown.
        scores: score of each seed and example, (S, N); None where there are none.
        resample: function for an aggregate, None for other measures. Maps (B, N), how often each example occurs in each
            of B samples, to the aggregate of each seed, (S, B).
        draws: output of `resample` for bootstrap samples, (S, B), the same samples for all rows of a split; None where
            no samples were drawn.
        pseudo: pseudo-values of an aggregate for each seed and unit, (S, U), as `jackknife.pseudo_values` returns them;
            None where there are none.
        groups: position of each example's group, (N,), where groups of examples are the units; otherwise None.
        uncertainty: what intervals and tests cover: "seeds", "examples" or "both".
        legacy: whether the methods are those of version 0.1, where later ones differ.
        by_fold: whether the seeds are folds of a cross-validation.
        clusters: position of each training's cluster, (S,), where trainings are repeats of different settings;
            otherwise None.
    """

    split: str
    seeds: tuple[int, ...]
    kind: str
    bounds: tuple[float, float]
    values: np.ndarray
    n: int = 0
    scores: np.ndarray | None = None
    resample: Callable[[np.ndarray], np.ndarray] | None = None
    draws: np.ndarray | None = None
    pseudo: np.ndarray | None = None
    groups: np.ndarray | None = None
    uncertainty: str = SEEDS_ALONE
    legacy: bool = False
    by_fold: bool = False
    clusters: np.ndarray | None = None

    @cached_property
    def share(self) -> np.ndarray:
        """Score of each example, the mean over seeds: (N,)."""
        assert self.scores is not None
        means: np.ndarray = self.scores.mean(axis=0)
        return means

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return float(self.values.mean())

    @property
    def reach(self) -> float:
        """Largest possible difference of two values."""
        return self.bounds[1] - self.bounds[0]

    def only(self, seeds: Sequence[int]) -> "Sample":
        """Return the part of the sample with these seeds, in this order."""
        if tuple(seeds) == self.seeds:
            return self
        positions = [self.seeds.index(s) for s in seeds]
        stored = (self.scores, self.draws, self.pseudo)
        scores, draws, pseudo = (None if values is None else values[positions] for values in stored)
        resample = self.resample
        part = (lambda weights: resample(weights)[positions]) if resample else None
        return replace(
            self, seeds=tuple(seeds), values=self.values[positions], scores=scores, resample=part, draws=draws,
            pseudo=pseudo,
        )  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """Difference of two rows on the same test examples, second minus first, over their common seeds where they have
    any.

    Attributes:
        value: difference of the primary measure.
        others: name of a further measure -> its difference; None where the measure has no interval.
        over: units of the intervals, `p` and `equivalent`: "examples", "seeds", "groups", "seeds and examples", ...; ""
            where there are none.
        p: p value of no difference.
        against: number of examples on which only one row is right, for rows with one seed alone.
        p_exact: p value of the sign-flip test, at least 2 / 2^S; None unless over seeds or few examples.
        p_holm: p value adjusted within the family of its table; nan before the adjustment.
        equivalent: whether the difference is within the study's margin; None where this was not tested.
        common_seeds: number of seeds that both rows have.
        drawn: whether interval and test are those of bootstrap samples.
        wins: number of common seeds with a larger value of the second row, ties as half, and number of common seeds;
            None for fewer than five.
    """

    value: Interval
    others: Mapping[str, Interval | None]
    over: str
    p: float
    against: Discordance | None = None
    p_exact: float | None = None
    p_holm: float = float("nan")
    equivalent: bool | None = None
    wins: tuple[float, int] | None = None
    common_seeds: int = 0
    drawn: bool = False


@dataclass(frozen=True)
class Score:
    """Score of one row by one measure on test: the mean over seeds, with 95 % intervals.

    Attributes:
        over_examples: interval over examples or their groups; None where there is none.
        over_seeds: interval over seeds; None with fewer than three seeds.
        over_both: interval over seeds and examples; None where the study asks for another one.
        over: units of the interval that tables print, as in `Difference.over`; "" where there is none.
        counted: whether the value is a share of right examples, so that `over_examples` is Wilson's interval.
        drawn: whether the interval that tables print is that of bootstrap samples.
    """

    value: float
    over_examples: Interval | None
    over_seeds: Interval | None
    over_both: Interval | None = None
    over: str = ""
    counted: bool = False
    drawn: bool = False

    @property
    def interval(self) -> Interval:
        """Interval that tables print; without bounds (nan) where there is none."""
        without_bounds = Interval(self.value, float("nan"), float("nan"))
        return (
            self.over_both or (self.over_seeds if self.over in OF_TRAININGS else self.over_examples) or without_bounds
        )


@dataclass(frozen=True)
class RowFacts:
    """Statistics of one row on test.

    Attributes:
        primary: score by the primary measure.
        others: name of a further measure -> score.
        delta: difference from the reference; None where there is nothing to compare with.
        not_different: True where the row does not differ significantly from the selected row; None where the two were
            not compared.
        gap: train minus validation, for a share.
        within_replicates: whether the reference with another seed could have had this value.
    """

    row: int
    n_seeds: int
    primary: Score
    others: Mapping[str, Score]
    delta: Difference | None
    not_different: bool | None
    gap: float | None
    within_replicates: bool | None = None


@dataclass(frozen=True)
class Contrast:
    """Two rows that differ in one factor, with the difference in the primary measure on test."""

    pair: design.Pair
    difference: Difference


@dataclass(frozen=True)
class Family:
    """Comparisons that are corrected together, as one [[compare]] of the study file states them.

    Attributes:
        title: the rows, in words.
        pairs: (first row, second row) -> difference, second minus first, with `p_holm` over these pairs.
        untested: (first row, second row) -> why the pair is not compared.
    """

    title: str
    pairs: Mapping[tuple[int, int], Difference]
    untested: Mapping[tuple[int, int], str]


@dataclass(frozen=True)
class Effect:
    """Effect of one level of a factor compared with the reference's level, over all matched pairs.

    Attributes:
        pairs: number of matched pairs.
        up: number of pairs in which the measure rose.
        down: number of pairs in which the measure fell.
        main: coefficient of a linear model without interactions; None where it cannot be estimated.
        reason: why `main` cannot be estimated.
        line_fit: the same coefficient with an interval over rows, by the degrees of freedom that the model leaves. This
            interval includes the model's errors (interactions, variation between seeds), unlike that of `main`.
        over: unit of the interval of `main`: "examples", or "seeds" where all rows have the same three or more.
    """

    factor: str
    levels: tuple[Any, Any]
    pairs: int
    up: int
    down: int
    main: Interval | None
    reason: str
    line_fit: Interval | None = None
    over: str = "examples"


@dataclass(frozen=True)
class Interaction:
    """Dependence of one factor's effect on another factor: a difference of differences for each square.

    Attributes:
        squares: each square with its interval, over seeds where its rows have the same three or more, otherwise over
            examples.
        reason: why the interaction cannot be estimated where `squares` is empty, or that there are too many squares to
            list.
    """

    factors: tuple[str, str]
    squares: tuple[tuple[design.TwoByTwo, Interval], ...]
    reason: str


@dataclass(frozen=True)
class Stability:
    """Stability of the selection on validation.

    Attributes:
        shares: row -> share of the bootstrap samples of the validation examples in which the row would have been
            selected.
        not_different: rows that do not differ significantly from the selected row on validation, the selected row
            included.
        cheapest: the cheapest row of `not_different`.
        value: primary measure of the selected row on validation.
        corrected: mean of the primary measure of each sample's winner on the examples outside that sample; nan with one
            example. This value is free of selection bias (bootstrap bias correction, Tsamardinos et al. 2018).
        by_group: whether the samples are of groups of examples.
    """

    shares: dict[int, float]
    not_different: tuple[int, ...]
    cheapest: int
    value: float
    corrected: float
    by_group: bool = False

    @property
    def units(self) -> str:
        """What is sampled: "examples" or "groups", as in `Difference.over`."""
        return "groups" if self.by_group else "examples"


@dataclass(frozen=True)
class Noise:
    """The reference row trained with several seeds.

    Attributes:
        values: score of each seed on test.
        range: prediction interval of `rows` more trainings together: one of them falls outside in 5 % of studies.
        rows: number of rows that are compared with the range.
    """

    values: tuple[float, ...]
    range: Interval
    rows: int = 1


@dataclass(frozen=True)
class Analysis:
    """Statistics of a study. Rows without a result are missing.

    Attributes:
        cochran: p value of no difference among the rows on the reference's examples; None where the test does not
            apply.
        detectable: smallest difference in a share of right examples that one test of two rows detects with power 0.8;
            None where the test does not apply, or no possible difference reaches this power.
        bootstrapped: whether aggregates have intervals.
        largest_power: power of that test for the largest possible difference; None where the test does not apply.
        unpaired: rows on other test examples than the reference -> difference from the reference, unpaired.
        inference: variation that intervals and tests are meant to cover.
        families: comparisons that the study file states.
        second_best: row with the second best value of the selecting measure, on the same validation examples as the
            selected row; None where the study file does not request it.
    """

    rows: dict[int, RowFacts]
    contrasts: tuple[Contrast, ...]
    effects: tuple[Effect, ...]
    interactions: tuple[Interaction, ...]
    stability: Stability | None
    cochran: float | None
    detectable: float | None
    noise: Noise | None
    bootstrapped: bool
    largest_power: float | None = None
    unpaired: Mapping[int, Difference] = field(default_factory=dict)
    inference: Inference = Inference()
    families: tuple[Family, ...] = ()
    second_best: int | None = None

    @cached_property
    def over(self) -> str:
        """Units of the brackets of most rows, as in `Difference.over`; "" where no row has an interval."""
        counts = Counter(facts.primary.over for facts in self.rows.values())
        return counts.most_common(1)[0][0] if counts else ""
