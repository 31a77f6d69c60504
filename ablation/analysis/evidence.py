"""Evidence of one row on one split: the examples and scores of its trials, as samples for the statistics."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ablation.analysis.facts import Inference, Sample
from ablation.measures import repeats
from ablation.measures.measure import AGGREGATE, BINARY, BOUNDED, PER_EXAMPLE, Columns, Measure
from ablation.statistics import bootstrap, jackknife
from ablation.statistics.groups import example_counts
from ablation.store.examples import Examples

EVERY_SEED = Inference()
SHARED = ("id", "label", "group", repeats.REPEAT)  # columns that identify the examples: the same for all seeds


@dataclass(frozen=True)
class Evidence:
    """Predictions and scores of the trainings of one row on the N examples of a split.

    Attributes:
        split: digest of the examples. Rows are compared only where the digest is the same.
        seeds: seeds of the S trainings.
        columns: name -> (S, N, ...), one entry per seed; the columns of SHARED are (N,). Empty where the examples are
            unknown, or differ between seeds. Where examples are repeated, N counts the repeats.
        numbers: measure -> the score that each training states itself, (S,).
        size: number of examples where their columns are not available; 0 where it is unknown.
        seeds_of: measure -> the seeds whose trainings state it, for a measure that some trainings lack.
    """

    split: str
    seeds: tuple[int, ...]
    columns: Mapping[str, np.ndarray]
    numbers: Mapping[str, np.ndarray]
    size: int = 0
    seeds_of: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @cached_property
    def groups(self) -> np.ndarray | None:
        """Position of each example's group, (N,); None where the examples have no groups."""
        return np.unique(self.shared["group"], return_inverse=True)[1] if "group" in self.columns else None

    @property
    def labels(self) -> np.ndarray:
        """Labels of the examples, (N,)."""
        return self.columns["label"]

    @property
    def predicted(self) -> np.ndarray:
        """Predictions of each seed, (S, N)."""
        return self.columns["predicted"]

    @property
    def n(self) -> int:
        """Number of examples, each counted once however often it is repeated; 0 where the examples are unknown."""
        if repeats.has_repeats(self.columns):
            return len(self.shared["id"])
        name, column = next(iter(self.columns.items()), ("", np.empty((0, 0))))
        return len(column) if name in SHARED else column.shape[1]

    @cached_property
    def shared(self) -> dict[str, np.ndarray]:
        """Columns that identify the examples, one entry per example: that of its first repeat."""
        columns = {name: column for name, column in self.columns.items() if name in SHARED}
        if not repeats.has_repeats(columns):
            return columns
        lines = repeats.first_lines(columns)
        return {name: column[lines] for name, column in columns.items() if name != repeats.REPEAT}

    def of(self, place: int) -> dict[str, np.ndarray]:
        """Return the columns of the seed at this position in `seeds`."""
        return {name: column if name in SHARED else column[place] for name, column in self.columns.items()}

    @cached_property
    def _each(self) -> list[dict[str, np.ndarray]]:
        return [self.of(place) for place in range(len(self.seeds))]

    @cached_property
    def _samples(self) -> dict[str, Sample | None]:
        """Cache of `sample`: name of the measure -> sample."""
        return {}

    def sample(self, measure: Measure) -> Sample | None:
        """Return the scores of all seeds by a measure; None where the scores are not available."""
        if measure.name not in self._samples:
            self._samples[measure.name] = self._sample(measure)
        return self._samples[measure.name]

    def _sample(self, measure: Measure) -> Sample | None:
        kind = BOUNDED if measure.kind == BINARY and repeats.has_repeats(self.columns) else measure.kind
        identity = (self.split, self.seeds, kind, measure.bounds)
        if self.columns and measure.follows_from(self.columns):
            values = np.array([measure.value(columns) for columns in self._each])
            if measure.descriptive:
                return Sample(*identity, values, self.n)
            if measure.kind == AGGREGATE:
                return Sample(*identity, values, self.n, resample=lambda weights: measure.resample(self._each, weights))
            return Sample(*identity, values, self.n, np.stack([measure.scores(columns) for columns in self._each]))
        values, seeds = self.numbers.get(measure.name, np.empty(0)), self.seeds_of.get(measure.name, self.seeds)
        return Sample(self.split, seeds, kind, measure.bounds, values, self.size) if len(values) else None

    def share(self, measure: Measure) -> np.ndarray:
        """Return the score of each example, the mean over seeds: (N,)."""
        sample = self.sample(measure)
        assert sample is not None
        return sample.share


@dataclass(frozen=True)
class StudyEvidence:
    """Evidence of the rows of a study, by split. Rows without a finished trial are missing.

    Attributes:
        train: row -> primary measure on train, for the rows that have one.
        val: row -> evidence on validation.
        test: row -> evidence on test; empty until a selection is sealed.
        replicates: evidence of the reference with other seeds, on test.
    """

    train: Mapping[int, float]
    val: Mapping[int, Evidence]
    test: Mapping[int, Evidence]
    replicates: Evidence | None


def of_row(
    split: str, seeds: Sequence[int], opened: Sequence[Examples], measures: Iterable[Measure], size: int = 0
) -> Evidence:
    """Return the evidence of one row.

    Args:
        split: digest of the examples.
        seeds: seeds of the trials.
        opened: examples of each trial, in the order of `seeds`.
        measures: measures to score by; only the columns that they need are kept.
        size: number of examples where the trials state numbers alone.
    """
    measures, first = tuple(measures), opened[0].columns
    needed = {*SHARED, *(name for m in measures for name in m.needs)}
    same_examples = all(_same(first, examples.columns) for examples in opened)
    columns = {
        name: first[name] if name in SHARED else np.array([examples.columns[name] for examples in opened])
        for name in (first if same_examples else ())
        if name in needed
    }
    values = {m.name: [examples.score(m) for examples in opened] for m in measures if not m.follows_from(columns)}
    stated = {name: [score for score in scores if score is not None] for name, scores in values.items()}
    seeds_of = {
        name: tuple(seed for seed, score in zip(seeds, values[name], strict=True) if score is not None)
        for name, scores in stated.items()
        if 0 < len(scores) < len(seeds)
    }
    numbers = {name: np.array(scores, float) for name, scores in stated.items() if scores}
    return Evidence(split, tuple(seeds), columns, numbers, 0 if columns else size, seeds_of)


def _same(a: Columns, b: Columns) -> bool:
    """Return whether two sets of columns belong to the same examples."""
    return a.keys() == b.keys() and all(
        np.array_equal(a[name], b[name]) if name in SHARED else len(a[name]) == len(b[name]) for name in a
    )


def told_apart(rows: Mapping[int, Evidence], reference: int) -> dict[int, Evidence]:
    """Return the rows, with a new split for each row whose examples differ from those of its split.

    The reference defines the examples of its split; in a split without the reference, the first row does.
    """
    bases: dict[str, Evidence] = {}
    separated = {}
    for row in sorted(rows, key=lambda r: (r != reference, r)):
        evidence = rows[row]
        base = bases.setdefault(evidence.split, evidence) if evidence.columns else evidence
        same = all(np.array_equal(evidence.shared[k], base.shared.get(k, ())) for k in evidence.shared)
        if same and evidence.n == base.n:
            separated[row] = evidence
        else:
            content = b"".join(np.ascontiguousarray(column).tobytes() for column in evidence.shared.values())
            separated[row] = replace(evidence, split=f"{evidence.split}/{hashlib.sha256(content).hexdigest()[:16]}")
    return {row: separated[row] for row in rows}


def samples(rows: Mapping[int, Evidence], measure: Measure, inference: Inference = EVERY_SEED) -> dict[int, Sample]:
    """Return row -> sample by a measure, for the rows that have scores."""
    return {
        row: replace(
            sample,
            uncertainty=inference.uncertainty,
            legacy=inference.legacy,
            groups=evidence.groups if inference.by_group else None,
            by_fold=inference.by_fold,
            clusters=_clusters(sample.seeds, inference.clusters),
        )
        for row, evidence in rows.items()
        if (sample := evidence.sample(measure))
    }


def _clusters(seeds: Sequence[int], clusters: Mapping[int, int]) -> np.ndarray | None:
    """Return the position of the cluster of each seed, (S,); None where trainings have none."""
    return np.unique([clusters[seed] for seed in seeds], return_inverse=True)[1] if clusters else None


def drawn(rows: Mapping[int, Evidence], measure: Measure, inference: Inference = EVERY_SEED) -> dict[int, Sample]:
    """Return the output of `samples`, with pseudo-values or bootstrap draws of an aggregate. Rows on the same examples
    share the bootstrap samples."""
    row_samples = samples(rows, measure, inference)
    if measure.kind in PER_EXAMPLE:
        return row_samples
    for split in dict.fromkeys(sample.split for sample in row_samples.values()):
        aggregates = {r: s for r, s in row_samples.items() if s.split == split and s.resample}
        if aggregates:
            predictions = [columns for r in aggregates for columns in rows[r]._each]
            row, sample = next(iter(aggregates.items()))
            strata = rows[row].shared["label"] if measure.stratified else None
            pseudo = None if inference.legacy else _pseudo_values(measure, predictions, aggregates)
            values = _draws(measure, predictions, sample, strata) if pseudo is None else pseudo
            parts = np.split(values, np.cumsum([len(s.seeds) for s in aggregates.values()])[:-1])
            for (r, s), part in zip(aggregates.items(), parts, strict=True):
                row_samples[r] = replace(s, draws=part) if pseudo is None else replace(s, pseudo=part)
    return row_samples


def _pseudo_values(
    measure: Measure, predictions: Sequence[Columns], aggregates: Mapping[int, Sample]
) -> np.ndarray | None:
    """Return the jackknife's pseudo-values of A sets of predictions over U examples or groups, (A, U).

    The result is None for many examples or groups, for an aggregate that is not smooth, and where it is not defined
    without one of the units.
    """
    sample = next(iter(aggregates.values()))
    groups = np.arange(sample.n) if sample.groups is None else sample.groups
    sizes = np.bincount(groups)
    if not measure.smooth or len(sizes) > jackknife.MOST_UNITS:
        return None
    values = np.concatenate([sample.values for sample in aggregates.values()])
    without = jackknife.left_out(_resampling(measure, predictions), groups)
    return None if np.isnan(without).any() else jackknife.pseudo_values(values, without, sizes)


def _draws(measure: Measure, predictions: Sequence[Columns], sample: Sample, strata: np.ndarray | None) -> np.ndarray:
    """Return the aggregate of A sets of predictions under bootstrap samples of examples or of groups, (A, B).

    `strata`: class of each example, (N,), where samples of examples are stratified. Samples of groups are not.
    """
    groups = sample.groups
    if groups is None:
        return bootstrap.draws(_resampling(measure, predictions), len(predictions), sample.n, strata=strata)
    by_group = lambda weights: measure.resample(predictions, example_counts(weights, groups))  # noqa: E731
    return bootstrap.draws(by_group, len(predictions), int(groups.max()) + 1)


def _resampling(measure: Measure, predictions: Sequence[Columns]) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from example weights (B, N) to the aggregate of each prediction under B samples, (A, B)."""
    return lambda weights: measure.resample(predictions, weights)
