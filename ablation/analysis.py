"""What the numbers of a study say: how sure each row is, how rows differ, what a factor does, what selection is worth.

Everything that a table or figure prints beyond the scores themselves is computed here, from labels and predictions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Any

import numpy as np

from ablation import comparison, design
from ablation.comparison import ALPHA, Discordance, Interval
from ablation.evaluation import scores
from ablation.grid import Grid
from ablation.record import Record

BOOTSTRAP_ROWS = 100  # above so many, bootstrap intervals are made only where they are asked for
SAMPLES = 2_000  # bootstrap samples of the validation images, for the selection
SEEDS = 3  # from so many seeds on, intervals and tests are over seeds


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

    @property
    def right(self) -> np.ndarray:
        """(S, N) bool."""
        found: np.ndarray = self.predicted == self.labels
        return found

    @property
    def share(self) -> np.ndarray:
        """(N,): the share of the seeds that got each image right."""
        found: np.ndarray = self.right.mean(axis=0)
        return found

    @property
    def accuracies(self) -> dict[int, float]:
        """Seed -> accuracy."""
        return {s: float(right.mean()) for s, right in zip(self.seeds, self.right, strict=True)}

    @property
    def macro_f1(self) -> float:
        """Mean over seeds."""
        return fmean(scores(self.labels, each, self.losses[0])["macro_f1"] for each in self.predicted)


@dataclass(frozen=True)
class Difference:
    """Of two rows on the same test images, second minus first, as fractions.

    `over`: what the interval of the accuracy and `p` are over, "images" or "seeds". `against` (one seed only): on how
    many images only one of them is right. `p_exact` (seeds only): of the sign-flip test, which cannot fall below
    2 / 2^S. `p_holm`: adjusted within the family of the table that it stands in; nan before.
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

    `up`, `down`: pairs in which accuracy rose or fell. `main`: of a linear model without interactions, over images;
    None where it cannot be estimated, and `reason` says why.
    """

    factor: str
    levels: tuple[Any, Any]
    pairs: int
    up: int
    down: int
    main: Interval | None
    reason: str


@dataclass(frozen=True)
class Interaction:
    """How much the effect of one factor depends on the other: a difference of differences for each square.

    `reason`: why it cannot be estimated, where `squares` is empty; else how many squares there are beyond those listed.
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
    not in it, which is free of the winner's luck (bootstrap bias correction, Tsamardinos et al. 2018).
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


def difference(
    a: Answers, b: Answers, classes: int, bootstrap: bool = False, margin: float | None = None
) -> Difference:
    """Of two rows on the same images, b - a; over the seeds that both have. `margin`: within which they are equivalent,
    as a fraction."""
    seeds = [s for s in a.seeds if s in b.seeds]
    many = len(seeds) >= SEEDS
    one, other = (np.array([x.accuracies[s] for s in seeds]) for x in (a, b))
    accuracy = (
        comparison.paired(one[None], other[None])[0] if many else comparison.paired(a.share[None], b.share[None])[0]
    )
    against = comparison.discordance(a.right[0], b.right[0]) if len(a.seeds) == len(b.seeds) == 1 else None
    if against:
        p = against.p
    else:
        p = comparison.paired_p(one, other) if len(seeds) > 1 else comparison.paired_p(a.share, b.share)
    return Difference(
        accuracy,
        _f1_difference(a, b, classes) if bootstrap else None,
        "seeds" if many else "images",
        p,
        against,
        comparison.sign_flip(one, other) if len(seeds) > 1 else None,
        equivalent=None if margin is None else comparison.equivalent(a.share, b.share, margin),
    )


def _f1_difference(a: Answers, b: Answers, classes: int) -> Interval:
    draws = comparison.macro_f1_draws(a.labels, np.vstack([a.predicted, b.predicted]), classes)
    first = len(a.seeds)
    return comparison.percentile(b.macro_f1 - a.macro_f1, draws[:, first:].mean(axis=1) - draws[:, :first].mean(axis=1))


def _adjusted(found: Sequence[Difference]) -> list[Difference]:
    """With p_holm, over this family."""
    return [replace(d, p_holm=p) for d, p in zip(found, comparison.holm([d.p for d in found]), strict=True)]


def _neighbours(test: Mapping[int, Answers], row: int | None) -> list[int]:
    """The other rows that were tested on the same images as `row`."""
    return [r for r in test if r != row and test[r].split == test[row].split] if row in test else []  # type: ignore[index]


def analyse(
    record: Record,
    train: Mapping[int, float],
    val: Mapping[int, Answers],
    test: Mapping[int, Answers],
    replicates: Answers | None,
    selected: int | None,
    all_intervals: bool = False,
) -> Analysis:
    """Everything that can be said of a study. `train`: row -> accuracy; `val`, `test`: what each row's networks said,
    `test` empty until a selection is sealed; `replicates`: the reference with other seeds, on test."""
    grid, classes = record.grid, len(record.classes)
    bootstrap = all_intervals or len(grid.rows) <= BOOTSTRAP_ROWS
    near = _neighbours(test, grid.reference)
    deltas = _adjusted([difference(test[grid.reference], test[r], classes, bootstrap, grid.margin) for r in near])
    by_row = dict(zip(near, deltas, strict=True))
    alike = _alike(test, selected, classes)
    noise = _noise(replicates)
    rows = {
        r: _row(r, answers, classes, bootstrap, by_row.get(r), alike.get(r), train[r], val[r], noise)
        for r, answers in test.items()
    }
    same = sorted([*near, grid.reference]) if near else []
    contrasts = _contrasts(grid, same, test, classes, bootstrap)
    return Analysis(
        rows=rows,
        contrasts=contrasts,
        effects=tuple(_effects(grid, same, test, contrasts)),
        interactions=tuple(_interactions(grid, same, test)),
        stability=_stability(record, val, selected),
        cochran=_cochran(test, same),
        detectable=_detectable(deltas, test, same),
        noise=noise,
        bootstrapped=bootstrap,
    )


def _row(
    row: int, test: Answers, classes: int, bootstrap: bool, delta: Difference | None, alike: bool | None,
    train: float, val: Answers, noise: Noise | None,
) -> RowFacts:  # fmt: skip
    accuracies, many = np.array(list(test.accuracies.values())), len(test.seeds) >= SEEDS
    f1 = [scores(test.labels, each, test.losses[0])["macro_f1"] for each in test.predicted]
    draws = comparison.macro_f1_draws(test.labels, test.predicted, classes).mean(axis=1) if bootstrap else None
    one = len(test.seeds) == 1
    return RowFacts(
        row,
        len(test.seeds),
        comparison.wilson(int(test.right[0].sum()), len(test.labels)) if one else comparison.mean(test.share),
        comparison.percentile(fmean(f1), draws) if draws is not None else None,
        comparison.mean(accuracies) if many else None,
        comparison.mean(np.array(f1)) if many else None,
        delta,
        alike,
        train - fmean(val.accuracies.values()),
        noise.range.holds(float(accuracies.mean())) if noise else None,
    )


def _alike(test: Mapping[int, Answers], selected: int | None, classes: int) -> dict[int, bool]:
    """Of each row on the selected one's images: whether test does not tell the two apart (Holm over these rows)."""
    others = _neighbours(test, selected)
    found = _adjusted([difference(test[selected], test[r], classes) for r in others]) if selected else []
    return {r: not d.p_holm < ALPHA for r, d in zip(others, found, strict=True)}


def _noise(replicates: Answers | None) -> Noise | None:
    """Where one more training of the reference would fall, by Student's t for a single new observation."""
    if replicates is None or len(replicates.seeds) < 2:
        return None
    found = np.array(list(replicates.accuracies.values()))
    half = comparison.mean(found)
    reach = (half.high - half.value) * np.sqrt(len(found) + 1)  # t s / sqrt(N) to t s sqrt(1 + 1/N)
    return Noise(tuple(map(float, found)), Interval(half.value, half.value - reach, half.value + reach))


def _contrasts(
    grid: Grid, rows: Sequence[int], test: Mapping[int, Answers], classes: int, bootstrap: bool
) -> tuple[Contrast, ...]:
    pairs = design.pairs(grid, rows)
    found = [difference(test[p.first], test[p.second], classes, bootstrap, grid.margin) for p in pairs]
    return tuple(Contrast(p, d) for p, d in zip(pairs, _adjusted(found), strict=True))


def _effects(
    grid: Grid, rows: Sequence[int], test: Mapping[int, Answers], contrasts: Sequence[Contrast]
) -> Iterator[Effect]:
    parts = {f: design.dummies(grid, rows, f) for f in grid.varying} if rows else {}
    one = np.ones((len(rows), 1))
    matrix = np.hstack([one, *parts.values()]) if parts else one
    spare = len(rows) - int(np.linalg.matrix_rank(matrix)) if rows else 0
    fitted: list[Interval] = []
    if rows and spare and spare == len(rows) - matrix.shape[1]:
        fitted = comparison.main_effects(matrix, np.array([test[r].share for r in rows]))[1:]
    coefficients = iter(fitted)
    for factor in grid.varying if rows else ():
        others = np.hstack([one, *(p for f, p in parts.items() if f != factor)])
        for level in design.occurring(grid, rows, factor):
            told = comparison.estimable(others, parts[factor])
            reason = "" if fitted else _no_effect(told, spare)
            levels = design.levels(grid, factor)[0], level
            mine = [
                c.difference.accuracy.value for c in contrasts if c.pair.factor == factor and c.pair.levels == levels
            ]
            up, down = sum(v > 0 for v in mine), sum(v < 0 for v in mine)
            yield Effect(factor, levels, len(mine), up, down, next(coefficients, None), reason)


def _no_effect(told: bool, spare: int) -> str:
    if not told:
        return "not estimable: its levels never vary apart from another factor's"
    return "not estimable: as many effects as rows" if not spare else "not estimable: another factor is not"


def _interactions(grid: Grid, rows: Sequence[int], test: Mapping[int, Answers]) -> Iterator[Interaction]:
    for factors in combinations(grid.varying, 2) if rows else ():
        squares = design.squares(grid, rows, factors)
        if not squares:
            yield Interaction(factors, (), f"not estimable: {design.never_together(grid, rows, factors)}")
        elif len(squares) > design.MOST_SQUARES:
            yield Interaction(factors, (), f"estimable: more than {design.MOST_SQUARES} squares")
        else:
            yield Interaction(factors, tuple((s, _interaction(s, test)) for s in squares), "")


def _interaction(square: design.Square, test: Mapping[int, Answers]) -> Interval:
    a, b, c, d = (test[r].share for r in square.rows)
    return comparison.mean(d - c - b + a)


def _cochran(test: Mapping[int, Answers], rows: Sequence[int]) -> float | None:
    if not rows or any(len(test[r].seeds) > 1 for r in rows):
        return None
    return comparison.cochran(np.array([test[r].right[0] for r in rows]).T)


def _detectable(deltas: Sequence[Difference], test: Mapping[int, Answers], rows: Sequence[int]) -> float | None:
    """With the discordance that the rows have with the reference in the middle of them."""
    found = [d.against.only_a + d.against.only_b for d in deltas if d.against]
    n = len(test[rows[0]].labels) if rows else 0
    middle = float(np.median(found)) / n if found else 0.0
    return comparison.detectable(middle, n) if middle else None


def _stability(record: Record, val: Mapping[int, Answers], selected: int | None) -> Stability | None:
    """Over the rows that were validated on the same images as the selected one."""
    if selected is None or selected not in val:
        return None
    rows = sorted([selected, *_neighbours(val, selected)])
    weights = comparison.image_weights(len(val[selected].labels), SAMPLES)
    metric = record.grid.select_on.removeprefix("val_")
    values = np.stack([_reweighted(metric, val[r], weights, len(record.classes)) for r in rows], axis=1)
    winners = values.argmin(axis=1) if metric == "loss" else values.argmax(axis=1)
    share = {r: float((winners == place).mean()) for place, r in enumerate(rows)}
    others = [r for r in rows if r != selected]
    found = _adjusted([difference(val[selected], val[r], len(record.classes)) for r in others])
    alike = [selected, *(r for r, d in zip(others, found, strict=True) if not d.p_holm < ALPHA)]
    return Stability(
        share,
        tuple(sorted(alike)),
        min(alike, key=lambda r: _cost(record, r)),
        fmean(val[selected].accuracies.values()),
        _corrected(winners, weights == 0, np.array([val[r].share for r in rows])),
    )


def _reweighted(metric: str, answers: Answers, weights: np.ndarray, classes: int) -> np.ndarray:
    """The metric under each sample of the images, the mean over seeds: (B,)."""
    if metric == "loss":
        return np.asarray(weights @ answers.losses.mean(axis=0))
    if metric in ("accuracy", "micro_f1"):
        return np.asarray(weights @ answers.share.astype(np.float32))
    average = "weighted" if metric == "weighted_f1" else "macro"
    seeds = [comparison.f1(weights, answers.labels, each, classes, average) for each in answers.predicted]
    return np.asarray(np.mean(seeds, axis=0))


def _corrected(winners: np.ndarray, left_out: np.ndarray, share: np.ndarray) -> float:
    """Mean accuracy of each sample's winner on the images that the sample left out."""
    right = (left_out * share[winners]).sum(axis=1)
    return float((right / left_out.sum(axis=1)).mean())


def _cost(record: Record, row: int) -> tuple[int, int, int]:
    condition = record.grid.rows[row - 1]
    return sum(condition.units), updates(record, row), row


def updates(record: Record, row: int) -> int:
    """How often the optimizer moves the weights: epochs x batches."""
    condition = record.grid.rows[row - 1]
    return condition.epochs * -(-sum(record.counts[condition.split]["train"]) // condition.batch_size)
