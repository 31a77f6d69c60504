"""What may be said of a study: the values that statistics fill and tables print."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ablation.grids import design
from ablation.statistics.comparison import Discordance, Interval

SEEDS = 3  # from so many seeds on, intervals and tests are over seeds
GAP = 0.20  # train minus validation accuracy above which a row is marked as overfitting


@dataclass(frozen=True)
class Sample:
    """What the trainings of one row scored by one measure on one split: numbers, and what they rest on.

    Args:
        split: which examples they are, a digest; rows are compared only where it is the same.
        seeds: of S trainings.
        kind: of the measure, one of `measures.measure.KINDS`.
        bounds: what a value can be, at least and at most.
        values: of each seed, (S,).
        n: of the examples; 0 where nothing is known of them.
        scores: of each seed and example, (S, N); None where there are none.
        resample: gives an aggregate of each seed under B samples of the examples, (S, B), from how often each example
            occurs in a sample, (B, N); None where it is no aggregate.
        draws: what that gives for bootstrap samples, (S, B), the same samples for all rows of a split; None where none
            were drawn.
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

    @cached_property
    def share(self) -> np.ndarray:
        """The score of each example, the mean over seeds: (N,)."""
        assert self.scores is not None
        found: np.ndarray = self.scores.mean(axis=0)
        return found

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return float(self.values.mean())

    @property
    def reach(self) -> float:
        """The largest difference that two values can have."""
        return self.bounds[1] - self.bounds[0]

    def only(self, seeds: Sequence[int]) -> "Sample":
        """Return the part of these seeds."""
        if tuple(seeds) == self.seeds:
            return self
        places = [self.seeds.index(s) for s in seeds]
        scores, draws = (None if each is None else each[places] for each in (self.scores, self.draws))
        whole = self.resample
        part = (lambda weights: whole(weights)[places]) if whole else None
        return replace(self, seeds=tuple(seeds), values=self.values[places], scores=scores, resample=part, draws=draws)


@dataclass(frozen=True)
class Difference:
    """Of two rows on the same test examples, second minus first; over the seeds that both have, where there are any.

    `value`: of the primary measure; `others`: of further measures, by name, None where they have no interval. `over`:
    what intervals, `p` and `equivalent` are over, "examples" or, from three common seeds on, "seeds"; "" where there is
    nothing that they could be over. `against` (one seed only): on how many examples only one of them is right.
    `p_exact`: of the sign-flip test, which cannot fall below 2 / 2^S; over seeds, and over few examples. `p_holm`:
    adjusted within the family of the table that it stands in; nan before.
    """

    value: Interval
    others: Mapping[str, Interval | None]
    over: str
    p: float
    against: Discordance | None = None
    p_exact: float | None = None
    p_holm: float = float("nan")
    equivalent: bool | None = None


@dataclass(frozen=True)
class Score:
    """A measure of one row on test: its mean over seeds, with a 95 % interval over examples and, from three seeds on,
    over seeds; None where there is no such interval."""

    value: float
    over_examples: Interval | None
    over_seeds: Interval | None

    @property
    def interval(self) -> Interval:
        """The interval that tables print; without bounds (nan) where there is none."""
        nowhere = Interval(self.value, float("nan"), float("nan"))
        return self.over_seeds or self.over_examples or nowhere


@dataclass(frozen=True)
class RowFacts:
    """One row on test. `primary`: of the primary measure; `others`: of further ones, by name. `delta`: against the
    reference, None where there is nothing to compare with. `alike`: not told apart from the selected row (None: not
    compared). `gap`: train minus validation, of a share. `within_replicates`: whether its value is one that the
    reference could have had with another seed."""

    row: int
    n_seeds: int
    primary: Score
    others: Mapping[str, Score]
    delta: Difference | None
    alike: bool | None
    gap: float | None
    within_replicates: bool | None = None


@dataclass(frozen=True)
class Contrast:
    """Two rows that differ in one factor: what that did to the primary measure on test."""

    pair: design.Pair
    difference: Difference


@dataclass(frozen=True)
class Effect:
    """What one level of a factor does against the reference's level, over all matched pairs.

    `up`, `down`: pairs in which the measure rose or fell. `main`: of a linear model without interactions, its interval
    `over` examples, or over the seeds where all rows have the same three or more; None where it cannot be estimated,
    and `reason` says why. `line_fit`: the same coefficient with an interval over rows, by the degrees of freedom that
    the model leaves: what the model does not describe, interactions and the luck of a seed, is in this interval and not
    in that of `main`.
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
    """How much the effect of one factor depends on the other: a difference of differences for each square.

    `reason`: why it cannot be estimated, where `squares` is empty, or that there are too many to list. Each square's
    interval is over the seeds where its rows have the same three or more, else over examples.
    """

    factors: tuple[str, str]
    squares: tuple[tuple[design.Square, Interval], ...]
    reason: str


@dataclass(frozen=True)
class Stability:
    """How sure the selection is, on validation.

    `shares`: row -> in which share of bootstrap samples of the validation examples it would have been selected.
    `alike`: rows that validation does not tell from the selected one (itself included). `cheapest`: of these.
    `value`: the selected row's primary measure on validation; `corrected`: of the winner of each sample on the examples
    that are not in it, which is free of the winner's luck (bootstrap bias correction, Tsamardinos et al. 2018); nan
    with one example.
    """

    shares: dict[int, float]
    alike: tuple[int, ...]
    cheapest: int
    value: float
    corrected: float


@dataclass(frozen=True)
class Noise:
    """The reference row trained again with other seeds: its values on test, and the range of one more."""

    values: tuple[float, ...]
    range: Interval


@dataclass(frozen=True)
class Analysis:
    """All of it. Rows without a result are not in it. `cochran`: p of no difference among the rows on the reference's
    examples, None where it says nothing. `detectable`: the smallest difference in a share of right ones that this test
    set can show between two of its rows. `bootstrapped`: whether aggregates have intervals."""

    rows: dict[int, RowFacts]
    contrasts: tuple[Contrast, ...]
    effects: tuple[Effect, ...]
    interactions: tuple[Interaction, ...]
    stability: Stability | None
    cochran: float | None
    detectable: float | None
    noise: Noise | None
    bootstrapped: bool
