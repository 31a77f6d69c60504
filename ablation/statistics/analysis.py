"""What the numbers of a study say: how sure each row is, how rows differ, what a factor does, what selection is worth.

Everything that a table or figure prints beyond the scores themselves is computed here, from labels and predictions.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from ablation.grids import design
from ablation.grids.grid import Grid, Trial
from ablation.grids.record import Record
from ablation.statistics import comparison
from ablation.statistics.comparison import ALPHA, Discordance, Interval
from ablation.statistics.evaluation import scores

BOOTSTRAP_ROWS = 100  # above so many, bootstrap intervals are made only where they are asked for
TRIALS, TRIALS_A_LEVEL = 50, 5  # from so many on, a factor's importance is more than luck
SAMPLES = 2_000  # bootstrap samples of the validation images, for the selection
GAP = 0.20  # train minus validation accuracy above which a row is marked as overfitting
FEW_IMAGES = 10  # with fewer, no power is computed
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
        return np.array([scores(self.labels, each, self.losses[0])["macro_f1"] for each in self.predicted])

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


def _common(a: Answers, b: Answers) -> tuple[Answers, Answers]:
    """What both said with the seeds that both have; all that they said where they have none in common."""
    seeds = [s for s in a.seeds if s in b.seeds]
    return (a.only(seeds), b.only(seeds)) if seeds else (a, b)


def _over(rows: Sequence[Answers]) -> str:
    """What is compared between rows: images, or seeds where all rows have the same and enough of them."""
    return "seeds" if len({r.seeds for r in rows}) == 1 and len(rows[0].seeds) >= SEEDS else "images"


def _measured(rows: Sequence[Answers], over: str) -> np.ndarray:
    """The accuracy of each row for each seed, or how right it is on each image: (R, S) or (R, N)."""
    return np.stack([r.accuracy if over == "seeds" else r.share for r in rows])


Draws = Mapping[int, np.ndarray]  # row -> macro-F1 of each seed under the same bootstrap samples: (S, resamples)
Pairs = Sequence[tuple[int, int]]


def differences(
    rows: Mapping[int, Answers], pairs: Pairs, margin: float | None = None, draws: Draws | None = None
) -> dict[tuple[int, int], Difference]:
    """Of each pair of rows, both on the same images, second minus first. `margin`: within which they are equivalent, as
    a fraction. `draws`: for intervals of macro-F1 over images."""
    kinds: dict[tuple[str, int, int], list[tuple[int, int]]] = {}
    for a, b in dict.fromkeys(pairs):
        both = _common(rows[a], rows[b])
        kinds.setdefault((_over(both), len(both[0].seeds), len(both[1].seeds)), []).append((a, b))
    found: dict[tuple[int, int], Difference] = {}
    for some in kinds.values():
        for first in range(0, len(some), comparison.CHUNK):
            chunk = some[first : first + comparison.CHUNK]
            found |= zip(chunk, _differences(rows, chunk, margin, draws), strict=True)
    return found


def _differences(
    rows: Mapping[int, Answers], pairs: Pairs, margin: float | None, draws: Draws | None
) -> Iterator[Difference]:
    """Of pairs with the same numbers of common seeds, all compared over the same."""
    both = [_common(rows[a], rows[b]) for a, b in pairs]
    over, nothing = _over(both[0]), [None] * len(pairs)
    one, other = (_measured(side, over) for side in zip(*both, strict=True))
    images = over == "images"
    against = (
        [comparison.discordance(a.right[0], b.right[0]) for a, b in both]
        if all(len(answers.seeds) == 1 for answers in both[0])
        else None
    )
    return map(
        Difference,
        (comparison.paired_images if images else comparison.paired)(one, other),
        _f1_differences(rows, pairs, draws) if images else comparison.paired(*_macro_f1(both)),
        [over] * len(pairs),
        [d.p for d in against] if against else comparison.paired_p(one, other),
        against or nothing,
        nothing if images else comparison.sign_flip(one, other),
        [float("nan")] * len(pairs),
        nothing if margin is None else comparison.equivalent(one, other, margin, images),
    )


def _macro_f1(both: Sequence[tuple[Answers, Answers]]) -> Iterator[np.ndarray]:
    return (np.stack([answers.macro_f1 for answers in side]) for side in zip(*both, strict=True))


def _f1_differences(rows: Mapping[int, Answers], pairs: Pairs, draws: Draws | None) -> Sequence[Interval | None]:
    """Over images."""
    if draws is None:
        return [None] * len(pairs)
    values, drawn = [], []
    for pair in pairs:
        common = _common(*(rows[r] for r in pair))
        places = [[rows[r].seeds.index(s) for s in each.seeds] for r, each in zip(pair, common, strict=True)]
        one, other = (draws[r][place].mean(axis=0) for r, place in zip(pair, places, strict=True))
        drawn.append(other - one)
        values.append(common[1].macro_f1.mean() - common[0].macro_f1.mean())
    return comparison.percentiles(np.array(values), np.stack(drawn))


def _adjusted(found: Sequence[Difference]) -> list[Difference]:
    """With p_holm, over this family."""
    return [replace(d, p_holm=p) for d, p in zip(found, comparison.holm([d.p for d in found]), strict=True)]


def _neighbours(rows: Mapping[int, Answers], row: int | None) -> list[int]:
    """The other rows on the same images as `row`."""
    return [r for r in rows if r != row and rows[r].split == rows[row].split] if row in rows else []  # type: ignore[index]


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
    grid = record.grid
    bootstrap = all_intervals or len(grid.rows) <= BOOTSTRAP_ROWS
    draws = _draws(test, len(record.classes)) if bootstrap else None
    home = record.splits[grid.rows[grid.reference - 1].split]
    same = sorted(r for r in test if test[r].split == home)
    near, pairs = _neighbours(test, grid.reference), design.pairs(grid, same)
    others = _neighbours(test, selected)
    wanted = [(grid.reference, r) for r in near] + [(p.first, p.second) for p in pairs]
    found = differences(test, wanted + [(selected, r) for r in others if selected], grid.margin, draws)
    deltas = _adjusted([found[grid.reference, r] for r in near])
    by_row = dict(zip(near, deltas, strict=True))
    alike = _alike(selected, others, found)
    noise = _noise(replicates)
    contrasts = tuple(
        Contrast(p, d) for p, d in zip(pairs, _adjusted([found[p.first, p.second] for p in pairs]), strict=True)
    )
    return Analysis(
        rows={
            r: _row(r, answers, draws, by_row.get(r), alike.get(r), train[r], val[r], noise if r in same else None)
            for r, answers in test.items()
        },
        contrasts=contrasts,
        effects=tuple(_effects(grid, same, test, contrasts)),
        interactions=tuple(_interactions(grid, same, test)),
        stability=_stability(record, val, selected),
        cochran=_cochran(test, same),
        detectable=_detectable(deltas, test, same),
        noise=noise,
        bootstrapped=bootstrap,
    )


def _draws(rows: Mapping[int, Answers], classes: int) -> dict[int, np.ndarray]:
    """Rows on the same images share the bootstrap samples."""
    found: dict[int, np.ndarray] = {}
    for split in dict.fromkeys(answers.split for answers in rows.values()):
        mine = {r: answers for r, answers in rows.items() if answers.split == split}
        said = np.vstack([answers.predicted for answers in mine.values()])
        drawn = comparison.macro_f1_draws(next(iter(mine.values())).labels, said, classes)
        found |= zip(mine, np.split(drawn, np.cumsum([len(a.seeds) for a in mine.values()])[:-1]), strict=True)
    return found


def _within(found: Interval) -> Interval:
    """A share: no bound of it is below 0 or above 1."""
    return Interval(found.value, *(float(np.clip(bound, 0, 1)) for bound in (found.low, found.high)))


def _over_images(share: np.ndarray) -> Interval:
    """Of an accuracy. Where every image is right or wrong, as it is with one seed: Wilson's."""
    if np.isin(share, (0, 1)).all():
        return comparison.wilson(int(share.sum()), len(share))
    return _within(comparison.mean(share))


def _row(
    row: int, test: Answers, draws: Draws | None, delta: Difference | None, alike: bool | None,
    train: float, val: Answers, noise: Noise | None,
) -> RowFacts:  # fmt: skip
    many = len(test.seeds) >= SEEDS
    f1 = float(test.macro_f1.mean())
    return RowFacts(
        row,
        len(test.seeds),
        _over_images(test.share),
        comparison.percentiles(np.array([f1]), draws[row].mean(axis=0)[None])[0] if draws else None,
        _within(comparison.mean(test.accuracy)) if many else None,
        _within(comparison.mean(test.macro_f1)) if many else None,
        delta,
        alike,
        train - float(val.accuracy.mean()),
        noise.range.holds(float(test.accuracy.mean())) if noise else None,
    )


def _alike(selected: int | None, others: Sequence[int], found: Mapping[tuple[int, int], Difference]) -> dict[int, bool]:
    """Of each row on the selected one's images: whether the two are not told apart (Holm over these rows)."""
    adjusted = _adjusted([found[selected, r] for r in others]) if selected else []
    return {r: not d.p_holm < ALPHA for r, d in zip(others, adjusted, strict=True)}


def _noise(replicates: Answers | None) -> Noise | None:
    """Where one more training of the reference would fall, by Student's t for a single new observation."""
    if replicates is None or len(replicates.seeds) < 2:
        return None
    found = comparison.mean(replicates.accuracy)
    reach = (found.high - found.value) * np.sqrt(len(replicates.seeds) + 1)  # t s / sqrt(N) to t s sqrt(1 + 1/N)
    return Noise(
        tuple(map(float, replicates.accuracy)),
        _within(Interval(found.value, found.value - reach, found.value + reach)),
    )


def _effects(
    grid: Grid, rows: Sequence[int], test: Mapping[int, Answers], contrasts: Sequence[Contrast]
) -> Iterator[Effect]:
    parts = {f: part for f in grid.varying if rows and (part := design.dummies(grid, rows, f)).size}
    if not parts:
        return
    one, answers = np.ones((len(rows), 1)), [test[r] for r in rows]
    matrix = np.hstack([one, *parts.values()])
    told = {
        f: comparison.estimable(np.hstack([one, *(p for g, p in parts.items() if g != f)]), parts[f]) for f in parts
    }
    basis = comparison.basis(matrix)  # holds all columns of the factors that can be told
    spare, over = len(rows) - len(basis), _over(answers)
    measured = _measured(answers, over)
    mains = dict(zip(basis, comparison.main_effects(matrix[:, basis], measured), strict=True))
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


def _no_effect(told: bool, spare: int) -> str:
    if not told:
        return "not estimable: its levels never vary apart from another factor's"
    return "" if spare else "not estimable: as many effects as rows"


def _interactions(grid: Grid, rows: Sequence[int], test: Mapping[int, Answers]) -> Iterator[Interaction]:
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
    a, b, c, d = _measured(answers, _over(answers))
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
    return comparison.detectable(middle, n) if middle and n >= FEW_IMAGES else None


def _stability(record: Record, val: Mapping[int, Answers], selected: int | None) -> Stability | None:
    """Over the rows that were validated on the same images as the selected one, where validation selects."""
    if selected is None or selected not in val or record.grid.on_test:
        return None
    others = _neighbours(val, selected)
    rows = sorted(
        [selected, *others], key=lambda r: _cost(record, r)
    )  # of equal ones, argmax takes the first: so does the rule
    winners, corrected = _resampled(record, [val[r] for r in rows])
    found = differences(val, [(selected, r) for r in others])
    alike = [selected, *(r for r, same in _alike(selected, others, found).items() if same)]
    counts = np.bincount(winners, minlength=len(rows)) / SAMPLES
    return Stability(
        {r: float(share) for r, share in sorted(zip(rows, counts, strict=True))},
        tuple(sorted(alike)),
        min(alike, key=lambda r: _cost(record, r)),
        float(val[selected].accuracy.mean()),
        corrected,
    )


def _resampled(record: Record, rows: Sequence[Answers]) -> tuple[np.ndarray, float]:
    """The winner's place in each bootstrap sample of the images; the mean accuracy of the winners on the images that
    their samples left out."""
    metric = record.grid.metric
    right = np.stack([answers.share for answers in rows]).astype(np.float32)
    winners, accuracies = [], []
    for weights in comparison.image_weights(right.shape[1], SAMPLES):
        values = _reweighted(metric, rows, weights, len(record.classes))
        best = values.argmin(axis=0) if metric == "loss" else values.argmax(axis=0)
        left_out = (weights == 0).astype(np.float32)
        hits, many = (left_out @ right.T)[np.arange(len(best)), best], left_out.sum(axis=1)
        winners.append(best)
        accuracies += list(hits[many > 0] / many[many > 0])
    return np.concatenate(winners), float(np.mean(accuracies)) if accuracies else float("nan")  # one image: none left


def _reweighted(metric: str, rows: Sequence[Answers], weights: np.ndarray, classes: int) -> np.ndarray:
    """The metric of each row under each sample of the images, the mean over its seeds: (R, B)."""
    if metric == "loss":
        found: np.ndarray = np.stack([answers.losses.mean(axis=0) for answers in rows]) @ weights.T
        return found
    if metric in ("accuracy", "micro_f1"):  # counts are exact in float32, so equal rows stay equal
        right: np.ndarray = np.stack([answers.right.sum(axis=0) for answers in rows]).astype(np.float32) @ weights.T
        return np.asarray(right / np.array([[len(answers.seeds)] for answers in rows]))
    average = "weighted" if metric == "weighted_f1" else "macro"
    labels = rows[0].labels
    return np.stack(
        [comparison.f1(weights, labels, answers.predicted, classes, average).mean(axis=0) for answers in rows]
    )


def _cost(record: Record, row: int) -> tuple[int, int, int]:
    condition = record.grid.rows[row - 1]
    return sum(condition.units), updates(record, row), row


def can_weigh(record: Record, finished: Collection[Trial]) -> bool:
    """Whether importances mean something: enough trials, and of each level enough."""
    counts = Counter((f, getattr(t.condition, f)) for t in finished for f in record.grid.varying)
    return len(finished) >= TRIALS and min(counts.values(), default=0) >= TRIALS_A_LEVEL


def updates(record: Record, row: int) -> int:
    """How often the optimizer moves the weights: epochs x batches."""
    condition = record.grid.rows[row - 1]
    return condition.epochs * -(-sum(record.counts[condition.split]["train"]) // condition.batch_size)
