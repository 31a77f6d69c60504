"""Differences between rows, paired over the same examples, or over seeds where rows have enough of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ablation.analysis.facts import SEEDS, Difference, Sample
from ablation.analysis.units import (
    FOLD,
    NOTHING,
    SCORE,
    Basis,
    basis,
    equivalences,
    exact_p_values,
    intervals_of,
    measured,
    p_values,
)
from ablation.analysis.unpaired import unpaired
from ablation.measures.measure import BINARY
from ablation.statistics import bootstrap, intervals, tests
from ablation.statistics.intervals import ALPHA, Interval
from ablation.statistics.tests import Discordance
from ablation.study.table_keys import BOTH, EXAMPLES
from ablation.study.table_keys import SEEDS as SEEDS_ALONE

Rows = Mapping[int, Sample]
Pairs = Sequence[tuple[int, int]]

MOST_VALUES = 2**25  # of the pairs that are compared at a time, which bounds the memory
WINS = 5  # with so many common seeds, the share of seeds that a row wins is computed


def common(a: Sample, b: Sample) -> tuple[Sample, Sample]:
    """Return both samples with their common seeds alone; both unchanged where they have no seed in common."""
    seeds = [s for s in a.seeds if s in b.seeds]
    return (a.only(seeds), b.only(seeds)) if seeds else (a, b)


def has_too_few(a: Sample, b: Sample) -> bool:
    """Return whether two rows that are to be compared over seeds have too few seeds in common for that, though at least
    one of them has enough. A test over the examples of these seeds would claim something else, and in a family with
    tests over seeds, it would err too often. Rows without examples are compared unpaired."""
    has_examples = any(values is not None for values in (a.scores, a.pseudo, a.draws))
    over_seeds = a.uncertainty == BOTH or (a.uncertainty == SEEDS_ALONE and not a.legacy)
    if not over_seeds or not has_examples or a.clusters is not None or have_own_seeds(a, b):
        return False
    return max(len(a.seeds), len(b.seeds)) >= SEEDS > len(set(a.seeds) & set(b.seeds))


def have_own_seeds(a: Sample, b: Sample) -> bool:
    """Return whether two rows that are to be compared over seeds have enough of them, and none in common. Such seeds
    are independent, and the rows are not paired by seed."""
    if a.uncertainty == EXAMPLES or a.by_fold or (a.uncertainty == SEEDS_ALONE and a.legacy):
        return False
    has_scores = all(s.scores is not None or s.pseudo is not None for s in (a, b)) or a.uncertainty == SEEDS_ALONE
    return has_scores and min(len(a.seeds), len(b.seeds)) >= SEEDS and not set(a.seeds) & set(b.seeds)


class _Chunk(NamedTuple):
    """Pairs of rows that are compared over the same units.

    Attributes:
        units: units of comparison; none where the pairs have too few common seeds.
        both: samples of each pair, as `common` returns them.
        one: output of `units.measured` for the first rows.
        other: output of `units.measured` for the second rows.
        intervals: interval of each difference.
        too_few: whether the pairs have too few common seeds to be compared.
    """

    units: Basis
    both: list[tuple[Sample, Sample]]
    one: np.ndarray
    other: np.ndarray
    intervals: list[Interval]
    too_few: bool

    @property
    def kind(self) -> str:
        """Kind of the measure."""
        return self.both[0][0].kind


def _chunks(rows: Rows, pairs: Pairs) -> Iterator[tuple[Pairs, _Chunk]]:
    """Yield pairs with the same numbers of seeds and the same units of comparison, so many at a time that the memory
    is bounded."""
    kinds: dict[tuple[str, int, int, bool, bool], list[tuple[int, int]]] = {}
    for a, b in dict.fromkeys(pairs):
        samples = common(rows[a], rows[b])
        lengths = len(samples[0].seeds), len(samples[1].seeds)
        own_seeds, too_few = (rule(rows[a], rows[b]) for rule in (have_own_seeds, has_too_few))
        kind = (basis(samples).source, *lengths, own_seeds, too_few)
        kinds.setdefault(kind, []).append((a, b))
    for (*_, own_seeds, too_few), same_kind in kinds.items():
        first = rows[same_kind[0][0]]
        size = max(1, min(bootstrap.CHUNK, MOST_VALUES // max(1, first.n * len(first.seeds))))
        for start in range(0, len(same_kind), size):
            chunk = same_kind[start : start + size]
            samples_of_pairs = [common(rows[a], rows[b]) for a, b in chunk]
            units = Basis(NOTHING) if too_few or own_seeds else basis(samples_of_pairs[0])
            yield chunk, _compared(samples_of_pairs, units, too_few)


def _compared(samples: list[tuple[Sample, Sample]], units: Basis, too_few: bool) -> _Chunk:
    """Return the chunk of these pairs of samples, with the intervals of their differences."""
    first_values, second_values = (measured(side, units) for side in zip(*samples, strict=True))
    differences, (first, _) = np.array([b.mean - a.mean for a, b in samples]), samples[0]
    raw = intervals_of(second_values - first_values, differences, units, first.kind)
    bounds = [intervals.within(interval, -first.reach, first.reach) for interval in raw]
    return _Chunk(units, samples, first_values, second_values, bounds, too_few)


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
    chunks = [(chunk_pairs, chunk) for chunk_pairs, chunk in _chunks(rows, scored_pairs) if chunk.units.source]
    return {
        pair: interval
        for chunk_pairs, chunk in chunks
        for pair, interval in zip(chunk_pairs, chunk.intervals, strict=True)
    }


def _differences(chunk: _Chunk, margin: float | None) -> list[Difference]:
    """Return the difference of each pair of a chunk, with its tests."""
    if chunk.too_few:
        return [Difference(interval, {}, "", float("nan")) for interval in chunk.intervals]
    if not chunk.units.source:
        return [unpaired(a, b) for a, b in chunk.both]
    a, b, units, kind = chunk.one, chunk.other, chunk.units, chunk.kind
    discordances = _discordances(chunk)
    p = [d.p for d in discordances if d] or p_values(a, b, units)
    columns = zip(
        chunk.intervals, p, discordances, exact_p_values(a, b, units, kind),
        equivalences(a, b, margin, units, kind), chunk.both, strict=True,
    )  # fmt: skip
    return [
        Difference(
            interval, {}, units.over, p_value, against, p_exact, equivalent=equivalent,
            wins=None if units.source == FOLD else _wins(*pair),
            common_seeds=len(pair[0].seeds) if pair[0].seeds == pair[1].seeds else 0, drawn=units.drawn,
        )
        for interval, p_value, against, p_exact, equivalent, pair in columns
    ]  # fmt: skip


def _discordances(chunk: _Chunk) -> list[Discordance] | list[None]:
    """Return on how many examples only one row of each pair is right; None unless rows have one seed and no groups."""
    one_seed = all(len(sample.seeds) == 1 for sample in chunk.both[0])
    if chunk.kind != BINARY or chunk.units.source != SCORE or chunk.units.sizes or not one_seed:
        return [None] * len(chunk.both)
    return tests.discordances(chunk.one.astype(bool), chunk.other.astype(bool))


def _wins(a: Sample, b: Sample) -> tuple[float, int] | None:
    """Return in how many of how many common seeds the second row's value is larger, a tie as half; None for few."""
    if a.seeds != b.seeds or len(a.seeds) < WINS:
        return None
    return float((b.values > a.values).sum() + (b.values == a.values).sum() / 2), len(a.seeds)


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
