"""Differences between rows, paired over the same examples, or over seeds where rows have enough of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ablation.measures.measure import AGGREGATE, BINARY
from ablation.statistics import comparison
from ablation.statistics.comparison import ALPHA, Discordance, Interval
from ablation.statistics.facts import SEEDS, Difference, Sample

Rows = Mapping[int, Sample]
Pairs = Sequence[tuple[int, int]]

SEED, SCORE, DRAW, NOTHING = "seeds", "scores", "draws", ""  # what numbers of rows are compared over
OVER = {SEED: "seeds", SCORE: "examples", DRAW: "examples", NOTHING: ""}
FEW = 30  # examples: with fewer, a sign-flip test stands beside the t test


def common(a: Sample, b: Sample) -> tuple[Sample, Sample]:
    """Return the parts of the seeds that both have; all of both where they have none in common."""
    seeds = [s for s in a.seeds if s in b.seeds]
    return (a.only(seeds), b.only(seeds)) if seeds else (a, b)


def basis(rows: Sequence[Sample]) -> str:
    """Return what these rows can be compared over: seeds, where all have the same and enough of them; else the scores
    of their examples, else bootstrap draws of an aggregate; else nothing."""
    if len({r.seeds for r in rows}) == 1 and len(rows[0].seeds) >= SEEDS:
        return SEED
    if all(r.scores is not None for r in rows):
        return SCORE
    return DRAW if all(r.draws is not None for r in rows) else NOTHING


def measured(rows: Sequence[Sample], over: str) -> np.ndarray:
    """Return the value of each row for each seed, (R, S); its mean score of each example, (R, N); its mean under each
    bootstrap sample, (R, B); or its mean alone, (R, 1)."""
    if over == SEED:
        return np.stack([r.values for r in rows])
    if over == SCORE:
        return np.stack([r.share for r in rows], dtype=float)
    if over == DRAW:
        return np.stack([r.draws.mean(axis=0) for r in rows if r.draws is not None])
    return np.array([[r.mean] for r in rows])


def over_units(values: np.ndarray, kind: str) -> list[Interval]:
    """Return the t interval of each of P means over N examples or seeds, (P, N). Where all N are equal, a share or an
    aggregate keeps its interval of no width, as tables have had it; of other numbers there is none (nan)."""
    return (comparison.means if kind in (BINARY, AGGREGATE) else comparison.of_scores)(values)


def intervals(combined: np.ndarray, values: np.ndarray, over: str, kind: str) -> list[Interval]:
    """Return the interval of each of P combinations of rows, whose `values` are (P,), from the same combinations of
    what `measured` gives, (P, M). Without bounds (nan) where there is nothing to take them from."""
    if over == DRAW:
        return comparison.percentiles(values, combined)
    if over == SCORE and kind == BINARY:
        return comparison.of_right(combined)
    return over_units(combined, kind)


class _Chunk(NamedTuple):
    """Pairs of rows that are compared over the same. `both`: the common part of each pair; `one`, `other`: what was
    `measured` of their first rows, and of their second ones; `intervals`: of the differences."""

    over: str
    both: list[tuple[Sample, Sample]]
    one: np.ndarray
    other: np.ndarray
    intervals: list[Interval]


def _chunks(rows: Rows, pairs: Pairs) -> Iterator[tuple[Pairs, _Chunk]]:
    """Yield pairs with the same numbers of common seeds that are compared over the same, as many as memory bears."""
    kinds: dict[tuple[str, int, int], list[tuple[int, int]]] = {}
    for a, b in dict.fromkeys(pairs):
        both = common(rows[a], rows[b])
        kinds.setdefault((basis(both), len(both[0].seeds), len(both[1].seeds)), []).append((a, b))
    for (over, *_), some in kinds.items():
        for first in range(0, len(some), comparison.CHUNK):
            chunk = some[first : first + comparison.CHUNK]
            yield chunk, _compared([common(rows[a], rows[b]) for a, b in chunk], over)


def _compared(both: list[tuple[Sample, Sample]], over: str) -> _Chunk:
    one, other = (measured(side, over) for side in zip(*both, strict=True))
    values, (first, _) = np.array([b.mean - a.mean for a, b in both]), both[0]
    found = intervals(other - one, values, over, first.kind)
    return _Chunk(over, both, one, other, [comparison.within(each, -first.reach, first.reach) for each in found])


def between(
    rows: Rows, pairs: Pairs, margin: float | None = None, others: Mapping[str, Rows] | None = None
) -> dict[tuple[int, int], Difference]:
    """Return the difference of each pair of rows, both on the same examples, second minus first. `margin`: within which
    they are equivalent. `others`: what the rows scored by further measures, by name."""
    further = {name: _further(each, pairs) for name, each in (others or {}).items()}
    return {
        pair: replace(difference, others={name: each.get(pair) for name, each in further.items()})
        for some, chunk in _chunks(rows, pairs)
        for pair, difference in zip(some, _differences(chunk, margin), strict=True)
    }


def _further(rows: Rows, pairs: Pairs) -> dict[tuple[int, int], Interval]:
    """The intervals of another measure's differences, of the pairs that have one."""
    known = [(a, b) for a, b in pairs if a in rows and b in rows]
    chunks = [(some, chunk) for some, chunk in _chunks(rows, known) if chunk.over]
    return {pair: each for some, chunk in chunks for pair, each in zip(some, chunk.intervals, strict=True)}


def _differences(chunk: _Chunk, margin: float | None) -> Iterator[Difference]:
    over, both, one, other, found = chunk
    nothing, right = [None] * len(both), both[0][0].kind == BINARY and over == SCORE
    against = _against(both) if right and len(both[0][0].seeds) == len(both[0][1].seeds) == 1 else None
    few = over == SCORE and not right and one.shape[1] < FEW
    return map(
        Difference,
        found,
        [{}] * len(both),
        [OVER[over]] * len(both),
        [d.p for d in against] if against else _p(one, other, over),
        against or nothing,
        comparison.sign_flip(one, other) if over == SEED or few else nothing,
        [float("nan")] * len(both),
        nothing if margin is None else _equivalent(one, other, margin, over, right),
    )


def _against(both: Sequence[tuple[Sample, Sample]]) -> list[Discordance]:
    """Of rows with one seed each: on how many examples only one of the two is right."""
    right = ([each.scores[0].astype(bool) for each in pair if each.scores is not None] for pair in both)
    return [comparison.discordance(a, b) for a, b in right]


def _p(one: np.ndarray, other: np.ndarray, over: str) -> list[float]:
    """p of no difference for each pair; nan where nothing can be tested."""
    if over == DRAW:
        return comparison.bootstrap_p(other - one)
    return comparison.paired_p(one, other) if over else [float("nan")] * len(one)


def _equivalent(one: np.ndarray, other: np.ndarray, margin: float, over: str, right: bool) -> list[bool] | list[None]:
    if over in (SEED, SCORE):
        return comparison.equivalent(one, other, margin, right)
    return [None] * len(one)


def adjusted(found: Sequence[Difference]) -> list[Difference]:
    """With p_holm, over this family."""
    return [replace(d, p_holm=p) for d, p in zip(found, comparison.holm([d.p for d in found]), strict=True)]


def neighbours(rows: Rows, row: int | None) -> list[int]:
    """The other rows on the same examples as `row`."""
    return [r for r in rows if r != row and rows[r].split == rows[row].split] if row in rows else []  # type: ignore[index]


def alike(selected: int | None, others: Sequence[int], found: Mapping[tuple[int, int], Difference]) -> dict[int, bool]:
    """Of each row on the selected one's examples that can be compared with it: whether the two are not told apart (Holm
    over these rows)."""
    corrected = adjusted([found[selected, r] for r in others]) if selected else []
    return {r: not d.p_holm < ALPHA for r, d in zip(others, corrected, strict=True) if d.over}
