"""Differences between rows, paired over the same examples, or over seeds where rows have enough of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ablation.analysis.facts import SEEDS, Difference, Sample
from ablation.measures.measure import AGGREGATE, BINARY
from ablation.statistics import bootstrap, intervals, tests
from ablation.statistics.intervals import ALPHA, Interval
from ablation.statistics.tests import Discordance

Rows = Mapping[int, Sample]
Pairs = Sequence[tuple[int, int]]

SEED, SCORE, DRAW, NOTHING = "seeds", "scores", "draws", ""  # units that rows are compared over
OVER = {SEED: "seeds", SCORE: "examples", DRAW: "examples", NOTHING: ""}
FEW = 30  # with fewer examples, a sign-flip test is added to the t test


def common(a: Sample, b: Sample) -> tuple[Sample, Sample]:
    """Return both samples with their common seeds alone; both unchanged where they have no seed in common."""
    seeds = [s for s in a.seeds if s in b.seeds]
    return (a.only(seeds), b.only(seeds)) if seeds else (a, b)


def basis(rows: Sequence[Sample]) -> str:
    """Return the units that rows can be compared over. Seeds where all rows have the same and enough of them; otherwise
    the scores of their examples, otherwise bootstrap draws of an aggregate; otherwise NOTHING."""
    if len({r.seeds for r in rows}) == 1 and len(rows[0].seeds) >= SEEDS:
        return SEED
    if all(r.scores is not None for r in rows):
        return SCORE
    return DRAW if all(r.draws is not None for r in rows) else NOTHING


def measured(rows: Sequence[Sample], over: str) -> np.ndarray:
    """Return the values of R rows to compare, one column per unit.

    Args:
        rows: samples of the R rows.
        over: unit of comparison, as `basis` returns it.

    Returns:
        The value for each seed, (R, S); the mean score of each example, (R, N); the mean under each bootstrap sample,
            (R, B); or the mean alone, (R, 1).
    """
    if over == SEED:
        return np.stack([r.values for r in rows])
    if over == SCORE:
        return np.stack([r.share for r in rows], dtype=float)
    if over == DRAW:
        return np.stack([r.draws.mean(axis=0) for r in rows if r.draws is not None])
    return np.array([[r.mean] for r in rows])


def over_units(values: np.ndarray, kind: str) -> list[Interval]:
    """Return the t interval of each of P means over N examples or seeds.

    Where all N values are equal, a share or an aggregate keeps its interval of zero width, as in earlier tables. Other
    measures get an interval without bounds (nan).

    Args:
        values: (P, N).
        kind: kind of the measure.
    """
    return (intervals.means if kind in (BINARY, AGGREGATE) else intervals.of_scores)(values)


def intervals_of(combined: np.ndarray, values: np.ndarray, over: str, kind: str) -> list[Interval]:
    """Return the interval of each of P combinations of rows. Bounds are nan where there is nothing to compute them
    from.

    Args:
        combined: the same combinations of the output of `measured`, (P, M).
        values: value of each combination, (P,).
        over: unit of comparison, as `basis` returns it.
        kind: kind of the measure.
    """
    if over == DRAW:
        return bootstrap.percentiles(values, combined)
    if over == SCORE and kind == BINARY:
        return intervals.bonett_price_of_differences(combined)
    return over_units(combined, kind)


class _Chunk(NamedTuple):
    """Pairs of rows that are compared over the same units.

    Attributes:
        over: unit of comparison.
        both: samples of each pair, as `common` returns them.
        one: output of `measured` for the first rows.
        other: output of `measured` for the second rows.
        intervals: interval of each difference.
    """

    over: str
    both: list[tuple[Sample, Sample]]
    one: np.ndarray
    other: np.ndarray
    intervals: list[Interval]


def _chunks(rows: Rows, pairs: Pairs) -> Iterator[tuple[Pairs, _Chunk]]:
    """Yield pairs with the same numbers of seeds and the same unit of comparison, at most `bootstrap.CHUNK` at a time
    to bound the memory."""
    kinds: dict[tuple[str, int, int], list[tuple[int, int]]] = {}
    for a, b in dict.fromkeys(pairs):
        samples = common(rows[a], rows[b])
        kinds.setdefault((basis(samples), len(samples[0].seeds), len(samples[1].seeds)), []).append((a, b))
    for (over, *_), same_kind in kinds.items():
        for first in range(0, len(same_kind), bootstrap.CHUNK):
            chunk = same_kind[first : first + bootstrap.CHUNK]
            yield chunk, _compared([common(rows[a], rows[b]) for a, b in chunk], over)


def _compared(samples: list[tuple[Sample, Sample]], over: str) -> _Chunk:
    """Return the chunk of these pairs of samples, with the intervals of their differences."""
    first_values, second_values = (measured(side, over) for side in zip(*samples, strict=True))
    differences, (first, _) = np.array([b.mean - a.mean for a, b in samples]), samples[0]
    raw = intervals_of(second_values - first_values, differences, over, first.kind)
    return _Chunk(
        over,
        samples,
        first_values,
        second_values,
        [intervals.within(interval, -first.reach, first.reach) for interval in raw],
    )


def between(
    rows: Rows, pairs: Pairs, margin: float | None = None, others: Mapping[str, Rows] | None = None
) -> dict[tuple[int, int], Difference]:
    """Return the difference of each pair of rows on the same examples, second minus first.

    Args:
        rows: row -> sample of the primary measure.
        pairs: (first row, second row).
        margin: largest difference that counts as equivalent; None for no equivalence test.
        others: measure -> row -> sample, for further measures.
    """
    further = {name: _further(values, pairs) for name, values in (others or {}).items()}
    return {
        pair: replace(difference, others={name: values.get(pair) for name, values in further.items()})
        for chunk_pairs, chunk in _chunks(rows, pairs)
        for pair, difference in zip(chunk_pairs, _differences(chunk, margin), strict=True)
    }


def _further(rows: Rows, pairs: Pairs) -> dict[tuple[int, int], Interval]:
    """Return the intervals of another measure's differences, for the pairs that have one."""
    scored_pairs = [(a, b) for a, b in pairs if a in rows and b in rows]
    chunks = [(chunk_pairs, chunk) for chunk_pairs, chunk in _chunks(rows, scored_pairs) if chunk.over]
    return {
        pair: interval
        for chunk_pairs, chunk in chunks
        for pair, interval in zip(chunk_pairs, chunk.intervals, strict=True)
    }


def _differences(chunk: _Chunk, margin: float | None) -> Iterator[Difference]:
    over, samples, first_values, second_values, bounds = chunk
    missing, right = [None] * len(samples), samples[0][0].kind == BINARY and over == SCORE
    discordances = _against(samples) if right and len(samples[0][0].seeds) == len(samples[0][1].seeds) == 1 else None
    few_examples = over == SCORE and not right and first_values.shape[1] < FEW
    return map(
        Difference,
        bounds,
        [{}] * len(samples),
        [OVER[over]] * len(samples),
        [d.p for d in discordances] if discordances else _p(first_values, second_values, over),
        discordances or missing,
        tests.sign_flip(first_values, second_values) if over == SEED or few_examples else missing,
        [float("nan")] * len(samples),
        missing if margin is None else _equivalent(first_values, second_values, margin, over, right),
    )


def _against(samples: Sequence[tuple[Sample, Sample]]) -> list[Discordance]:
    """Return the discordance of each pair of rows with one seed each: on how many examples only one row is right."""
    right = ([sample.scores[0].astype(bool) for sample in pair if sample.scores is not None] for pair in samples)
    return [tests.discordance(a, b) for a, b in right]


def _p(first_values: np.ndarray, second_values: np.ndarray, over: str) -> list[float]:
    """Return the p value of no difference for each pair; nan where nothing can be tested."""
    if over == DRAW:
        return tests.bootstrap_p(second_values - first_values)
    return tests.paired_p(first_values, second_values) if over else [float("nan")] * len(first_values)


def _equivalent(
    first_values: np.ndarray, second_values: np.ndarray, margin: float, over: str, right: bool
) -> list[bool] | list[None]:
    """Return whether each pair is equivalent within the margin; None for pairs that have no seeds or scores to test."""
    if over in (SEED, SCORE):
        return tests.equivalent(first_values, second_values, margin, right)
    return [None] * len(first_values)


def adjusted(family: Sequence[Difference]) -> list[Difference]:
    """Return the differences with `p_holm`, adjusted over this family."""
    return [replace(d, p_holm=p) for d, p in zip(family, tests.holm([d.p for d in family]), strict=True)]


def neighbours(rows: Rows, row: int | None) -> list[int]:
    """Return the other rows on the same examples as `row`; [] where `row` is None or has no sample."""
    return [r for r in rows if r != row and rows[r].split == rows[row].split] if row in rows else []  # type: ignore[index]


def not_different(
    selected: int | None, others: Sequence[int], differences: Mapping[tuple[int, int], Difference]
) -> dict[int, bool]:
    """Return row -> whether the row does not differ significantly from the selected row (Holm over these rows).

    Args:
        selected: number of the selected row; None for an empty result.
        others: rows on the same examples. Rows that cannot be compared are left out of the result.
        differences: (selected row, other row) -> difference.
    """
    corrected = adjusted([differences[selected, r] for r in others]) if selected else []
    return {r: not d.p_holm < ALPHA for r, d in zip(others, corrected, strict=True) if d.over}
