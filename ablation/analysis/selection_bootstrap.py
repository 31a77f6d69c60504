"""Stability of the selection: how often another sample of the validation examples would have selected each row, and
the second best row."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ablation.analysis import differences
from ablation.analysis.differences import Rows
from ablation.analysis.facts import Sample, Stability
from ablation.measures.measure import BINARY
from ablation.statistics import bootstrap
from ablation.statistics.groups import example_counts
from ablation.store.record import Record

SAMPLES = 2_000  # bootstrap samples of the validation examples, for the selection


def stability(
    record: Record, parameters: Mapping[int, int], val: Rows, selecting: Rows, selected: int | None
) -> Stability | None:
    """Return the stability of the selection over the rows validated on the same examples as the selected row.

    Return None where validation does not select, or where there are no examples to sample.

    Args:
        record: the study.
        parameters: row -> number of trained parameters.
        val: row -> sample of the primary measure on validation.
        selecting: row -> sample of the measure that selects.
        selected: number of the selected row; None where no row is selected.
    """
    if selected is None or selected not in val or record.grid.on_test or record.selected_by is None:
        return None
    others = differences.neighbours(val, selected)
    rows = [selected, *others]
    rows.sort(key=lambda r: cost(record, r, parameters[r]))  # argmax takes the first of equal rows, like the rule
    if not all(_can_be_sampled(samples.get(r), val[selected].n) for samples in (val, selecting) for r in rows):
        return None
    winners, corrected = _resampled([selecting[r] for r in rows], [val[r] for r in rows], record.selected_by.lowest)
    by_pair = differences.between(val, [(selected, r) for r in others])
    alike = [
        selected,
        *(r for r, not_distinct in differences.not_different(selected, others, by_pair).items() if not_distinct),
    ]
    counts = np.bincount(winners, minlength=len(rows)) / max(1, len(winners))
    return Stability(
        {r: float(share) for r, share in sorted(zip(rows, counts, strict=True))},
        tuple(sorted(alike)),
        min(alike, key=lambda r: cost(record, r, parameters[r])),
        val[selected].mean,
        corrected,
        selecting[selected].groups is not None,
    )


def _can_be_sampled(sample: Sample | None, n: int) -> bool:
    """Return whether the value of a row can be computed on any part of the same `n` examples."""
    return sample is not None and sample.n == n > 0 and (sample.scores is not None or sample.resample is not None)


def _resampled(selecting: Sequence[Sample], primary: Sequence[Sample], lowest: bool) -> tuple[np.ndarray, float]:
    """Return the position of the winner in each bootstrap sample of the examples, (SAMPLES,), and an out-of-sample
    mean. That mean is the primary measure of the winners, each on the examples that its bootstrap sample left out; nan
    where none were left out. Samples in which a measure is not defined are left out, of AUC for example those with one
    class alone."""
    winners, values = [], []
    for weights in _weights(selecting[0]):
        reweighted = _reweighted(selecting, weights)
        if (undefined := np.isnan(reweighted).any(axis=0)).any():
            weights, reweighted = weights[~undefined], reweighted[:, ~undefined]
        best = reweighted.argmin(axis=0) if lowest else reweighted.argmax(axis=0)
        winners.append(best)
        left_out = (weights == 0).astype(np.float32)
        has_left_out = left_out.any(axis=1)
        values += list(_left(primary, left_out[has_left_out], best[has_left_out]))
    return np.concatenate(winners), _mean(values)


def _mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are defined; nan where there is none, as with one example alone."""
    defined = np.asarray(values)[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _weights(sample: Sample) -> Iterator[np.ndarray]:
    """Yield how often each example occurs in bootstrap samples of the examples, or of their groups, (B, N)."""
    if sample.groups is None:
        return bootstrap.example_weights(sample.n, SAMPLES)
    groups = sample.groups
    return (example_counts(weights, groups) for weights in bootstrap.example_weights(int(groups.max()) + 1, SAMPLES))


def _left(rows: Sequence[Sample], left_out: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Return the value of row best[b] on the examples that sample b left out: (B,)."""
    places = np.arange(len(best))
    if any(r.scores is None for r in rows):
        return _reweighted(rows, left_out)[best, places] if len(best) else np.empty(0)
    scores = np.stack([r.share for r in rows]).astype(np.float32)
    means: np.ndarray = (left_out @ scores.T)[places, best] / left_out.sum(axis=1)
    return means


def _reweighted(rows: Sequence[Sample], weights: np.ndarray) -> np.ndarray:
    """Return the values that rank the R rows under each of B samples of the examples, the mean over seeds: (R, B). For
    scores other than right or wrong, return sums: all samples have the same size."""
    if any(r.scores is None for r in rows):
        return np.stack([r.resample(weights).mean(axis=0) for r in rows if r.resample])
    if rows[0].kind == BINARY:  # counts are exact in float32, so equal rows stay equal
        right: np.ndarray = np.stack([r.scores.sum(axis=0) for r in rows if r.scores is not None]).astype(np.float32)
        return np.asarray((weights @ right.T).T / np.array([[len(r.seeds)] for r in rows]))
    sums: np.ndarray = np.stack([r.share for r in rows]) @ weights.T
    return sums


def second_best(record: Record, parameters: Mapping[int, int], selecting: Rows, selected: int | None) -> int | None:
    """Return the row that would be selected without the selected row, where the study file requests it.

    Rows with fewer finished seeds than the selected row, or with other validation examples, do not count. The
    parameters are those of `stability`.
    """
    by_rule = record.selected_by
    if not record.grid.table.second_best or by_rule is None or selected is None or selected not in selecting:
        return None
    seeds, sign = len(selecting[selected].seeds), 1 if by_rule.lowest else -1
    means = {r: selecting[r].mean for r in differences.neighbours(selecting, selected)}
    eligible = [r for r, mean in means.items() if len(selecting[r].seeds) >= seeds and not np.isnan(mean)]
    ranks = {r: (sign * round(means[r], 12), *cost(record, r, parameters[r])) for r in eligible}
    return min(ranks, key=ranks.__getitem__, default=None)


def cost(record: Record, row: int, parameters: int) -> tuple[int, int, int]:
    """Return the tie-breakers between equal rows, the smallest first: parameters, updates, and the row's number."""
    return parameters, updates(record, row), row


def updates(record: Record, row: int) -> int:
    """Return the number of optimizer steps: epochs x batches; 0 where a row states no batch size."""
    condition = record.grid.rows[row - 1]
    epochs, batch = getattr(condition, "epochs", 0), getattr(condition, "batch_size", 0)
    return epochs * -(-record.examples(condition).get("train", 0) // batch) if batch else 0
