"""What may be said of a study: the values that statistics fill and tables print."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ablation.grids import design
from ablation.statistics.comparison import Discordance, Interval
from ablation.statistics.evaluation import macro_f1

SEEDS = 3  # from so many seeds on, intervals and tests are over seeds
GAP = 0.20  # train minus validation accuracy above which a row is marked as overfitting


@dataclass(frozen=True)
class Answers:
    """What the networks of one row said of a split's N images. `split`: which images, a digest; rows are compared only
    where it is the same.

    `labels`: (N,). `predicted`: (S, N), and `losses`: (S, N) in nats, for each of `seeds`.
    """

    split: str
    labels: np.ndarray
    seeds: tuple[int, ...]
    predicted: np.ndarray
    losses: np.ndarray

    @cached_property
    def right(self) -> np.ndarray:
        """(S, N) bool."""
        found: np.ndarray = self.predicted == self.labels
        return found

    @cached_property
    def share(self) -> np.ndarray:
        """(N,): the share of the seeds that got each image right."""
        found: np.ndarray = self.right.mean(axis=0)
        return found

    @cached_property
    def accuracy(self) -> np.ndarray:
        """(S,): of each seed."""
        found: np.ndarray = self.right.mean(axis=1)
        return found

    @cached_property
    def macro_f1(self) -> np.ndarray:
        """(S,): of each seed."""
        return np.array([macro_f1(self.labels, each) for each in self.predicted])

    def only(self, seeds: Sequence[int]) -> "Answers":
        """What the networks of these seeds said."""
        if tuple(seeds) == self.seeds:
            return self
        places = [self.seeds.index(s) for s in seeds]
        return Answers(self.split, self.labels, tuple(seeds), self.predicted[places], self.losses[places])


@dataclass(frozen=True)
class Difference:
    """Of two rows on the same test images, second minus first, as fractions; over the seeds that both have, where there
    are any.

    `over`: what intervals, `p` and `equivalent` are over, "images" or, from three common seeds on, "seeds". `against`
    (one seed only): on how many images only one of them is right. `p_exact` (over seeds only): of the sign-flip test,
    which cannot fall below 2 / 2^S. `p_holm`: adjusted within the family of the table that it stands in; nan before.
    """

    accuracy: Interval
    macro_f1: Interval | None
    over: str
    p: float
    against: Discordance | None = None
    p_exact: float | None = None
    p_holm: float = float("nan")
    equivalent: bool | None = None


@dataclass(frozen=True)
class RowFacts:
    """One row on test. Intervals over images: `accuracy`, `macro_f1`; over three seeds and more: `over_seeds` (of the
    accuracy) and `f1_over_seeds`. `delta`: against the reference, None where there is nothing to compare with.
    `alike`: not told apart from the selected row (None: not compared). `gap`: train minus validation accuracy.
    `within_replicates`: whether its accuracy is one that the reference could have had with another seed."""

    row: int
    n_seeds: int
    accuracy: Interval
    macro_f1: Interval | None
    over_seeds: Interval | None
    f1_over_seeds: Interval | None
    delta: Difference | None
    alike: bool | None
    gap: float
    within_replicates: bool | None = None


@dataclass(frozen=True)
class Contrast:
    """Two rows that differ in one factor: what that did to test accuracy."""

    pair: design.Pair
    difference: Difference


@dataclass(frozen=True)
class Effect:
    """What one level of a factor does against the reference's level, over all matched pairs.

    `up`, `down`: pairs in which accuracy rose or fell. `main`: of a linear model without interactions, its interval
    `over` images, or over the seeds where all rows have the same three or more; None where it cannot be estimated, and
    `reason` says why. `line_fit`: the same coefficient with an interval over rows, by the degrees of freedom that the
    model leaves: what the model does not describe, interactions and the luck of a seed, is in this interval and not in
    that of `main`.
    """

    factor: str
    levels: tuple[Any, Any]
    pairs: int
    up: int
    down: int
    main: Interval | None
    reason: str
    line_fit: Interval | None = None
    over: str = "images"


@dataclass(frozen=True)
class Interaction:
    """How much the effect of one factor depends on the other: a difference of differences for each square.

    `reason`: why it cannot be estimated, where `squares` is empty, or that there are too many to list. Each square's
    interval is over the seeds where its rows have the same three or more, else over images.
    """

    factors: tuple[str, str]
    squares: tuple[tuple[design.Square, Interval], ...]
    reason: str


@dataclass(frozen=True)
class Stability:
    """How sure the selection is, on validation.

    `shares`: row -> in which share of bootstrap samples of the validation images it would have been selected.
    `alike`: rows that validation does not tell from the selected one (itself included). `cheapest`: of these.
    `value`: the selected row's validation accuracy; `corrected`: of the winner of each sample on the images that are
    not in it, which is free of the winner's luck (bootstrap bias correction, Tsamardinos et al. 2018); nan with one
    image.
    """

    shares: dict[int, float]
    alike: tuple[int, ...]
    cheapest: int
    value: float
    corrected: float


@dataclass(frozen=True)
class Noise:
    """The reference row trained again with other seeds: its test accuracies, and the range of one more (fractions)."""

    accuracies: tuple[float, ...]
    range: Interval


@dataclass(frozen=True)
class Analysis:
    """All of it. Rows without a result are not in it. `cochran`: p of no difference among the rows on the reference's
    images, None where it says nothing. `detectable`: the smallest difference in accuracy that this test set can show
    between two of its rows. `bootstrapped`: whether macro-F1 has intervals."""

    rows: dict[int, RowFacts]
    contrasts: tuple[Contrast, ...]
    effects: tuple[Effect, ...]
    interactions: tuple[Interaction, ...]
    stability: Stability | None
    cochran: float | None
    detectable: float | None
    noise: Noise | None
    bootstrapped: bool
