"""What the trials of one row say of one split, and what that is to the statistics."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ablation.measures.measure import AGGREGATE, PER_EXAMPLE, Columns, Measure
from ablation.results.examples import Examples
from ablation.statistics import comparison
from ablation.statistics.facts import Sample

SHARED = ("id", "label")  # columns that say which examples they are: the same for all seeds


@dataclass(frozen=True)
class Evidence:
    """What the trainings of one row said of a split's N examples. `split`: which examples, a digest; rows are compared
    only where it is the same.

    `columns`: name -> (S, N, ...), for each of `seeds`, those of SHARED (N,); {} where nothing is known of the
    examples, or where the seeds have others. `numbers`: measure -> what each seed states by itself, (S,).
    """

    split: str
    seeds: tuple[int, ...]
    columns: Mapping[str, np.ndarray]
    numbers: Mapping[str, np.ndarray]

    @property
    def labels(self) -> np.ndarray:
        """Of the examples, (N,)."""
        return self.columns["label"]

    @property
    def predicted(self) -> np.ndarray:
        """What each seed said, (S, N)."""
        return self.columns["predicted"]

    @property
    def n(self) -> int:
        """How many examples there are; 0 where nothing is known of them."""
        name, column = next(iter(self.columns.items()), ("", np.empty((0, 0))))
        return len(column) if name in SHARED else column.shape[1]

    @property
    def shared(self) -> dict[str, np.ndarray]:
        """What says which examples they are."""
        return {name: column for name, column in self.columns.items() if name in SHARED}

    def of(self, place: int) -> dict[str, np.ndarray]:
        """Return the columns of the seed at this place."""
        return {name: column if name in SHARED else column[place] for name, column in self.columns.items()}

    @cached_property
    def _each(self) -> list[dict[str, np.ndarray]]:
        return [self.of(place) for place in range(len(self.seeds))]

    @cached_property
    def _samples(self) -> dict[str, Sample | None]:
        """Those that were asked for before."""
        return {}

    def sample(self, measure: Measure) -> Sample | None:
        """Return what the seeds scored by a measure; None where that is not known."""
        if measure.name not in self._samples:
            self._samples[measure.name] = self._sample(measure)
        return self._samples[measure.name]

    def _sample(self, measure: Measure) -> Sample | None:
        about = (self.split, self.seeds, measure.kind, measure.bounds)
        if self.columns and measure.follows_from(self.columns):
            values = np.array([measure.value(columns) for columns in self._each])
            if measure.kind == AGGREGATE:
                return Sample(*about, values, self.n, resample=lambda weights: measure.resample(self._each, weights))
            return Sample(*about, values, self.n, np.stack([measure.scores(columns) for columns in self._each]))
        values = self.numbers.get(measure.name, np.empty(0))
        return Sample(*about, values) if len(values) else None

    def share(self, measure: Measure) -> np.ndarray:
        """Return the score of each example, the mean over seeds: (N,)."""
        sample = self.sample(measure)
        assert sample is not None
        return sample.share


def of_row(split: str, seeds: Sequence[int], opened: Sequence[Examples], measures: Iterable[Measure]) -> Evidence:
    """Return the evidence of one row from what its trials said, one a seed, with the columns that a measure needs."""
    measures, first = tuple(measures), opened[0].columns
    needed = {*SHARED, *(name for m in measures for name in m.needs)}
    paired = all(_same(first, each.columns) for each in opened)
    columns = {
        name: first[name] if name in SHARED else np.array([each.columns[name] for each in opened])
        for name in (first if paired else ())
        if name in needed
    }
    values = {m.name: [each.score(m) for each in opened] for m in measures if not m.follows_from(columns)}
    numbers = {name: np.array(some, float) for name, some in values.items() if None not in some}
    return Evidence(split, tuple(seeds), columns, numbers)


def _same(a: Columns, b: Columns) -> bool:
    """Whether two sets of columns are of the same examples."""
    return a.keys() == b.keys() and all(
        np.array_equal(a[name], b[name]) if name in SHARED else len(a[name]) == len(b[name]) for name in a
    )


def told_apart(rows: Mapping[int, Evidence], reference: int) -> dict[int, Evidence]:
    """Return rows so that those of one split are of the same examples: one that has others than the reference, or than
    the first row where that has none, gets a split of its own."""
    bases: dict[str, Evidence] = {}
    found = {}
    for row in sorted(rows, key=lambda r: (r != reference, r)):
        evidence = rows[row]
        base = bases.setdefault(evidence.split, evidence) if evidence.columns else evidence
        same = all(np.array_equal(evidence.shared[k], base.shared.get(k, ())) for k in evidence.shared)
        if same and evidence.n == base.n:
            found[row] = evidence
        else:
            content = b"".join(np.ascontiguousarray(column).tobytes() for column in evidence.shared.values())
            found[row] = replace(evidence, split=f"{evidence.split}/{hashlib.sha256(content).hexdigest()[:16]}")
    return {row: found[row] for row in rows}


def samples(rows: Mapping[int, Evidence], measure: Measure) -> dict[int, Sample]:
    """Return what each row scored by a measure, of the rows of which it is known."""
    return {row: sample for row, evidence in rows.items() if (sample := evidence.sample(measure))}


def drawn(rows: Mapping[int, Evidence], measure: Measure) -> dict[int, Sample]:
    """Return the same, with bootstrap draws of an aggregate; rows on the same examples share the samples."""
    found = samples(rows, measure)
    if measure.kind in PER_EXAMPLE:
        return found
    for split in dict.fromkeys(sample.split for sample in found.values()):
        mine = {r: s for r, s in found.items() if s.split == split and s.resample}
        if mine:
            answers = [columns for r in mine for columns in rows[r]._each]
            draws = comparison.draws(_resampling(measure, answers), len(answers), next(iter(mine.values())).n)
            parts = np.split(draws, np.cumsum([len(s.seeds) for s in mine.values()])[:-1])
            found |= {r: replace(s, draws=part) for (r, s), part in zip(mine.items(), parts, strict=True)}
    return found


def _resampling(measure: Measure, answers: Sequence[Columns]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda weights: measure.resample(answers, weights)
