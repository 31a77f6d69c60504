"""What the selection is worth: how often another sample of the validation examples would have chosen each row."""

from collections.abc import Mapping, Sequence

import numpy as np

from ablation.grids.record import Record
from ablation.measures.measure import BINARY
from ablation.statistics import comparison, differences
from ablation.statistics.differences import Rows
from ablation.statistics.facts import Sample, Stability

SAMPLES = 2_000  # bootstrap samples of the validation examples, for the selection


def stability(
    record: Record, parameters: Mapping[int, int], val: Rows, selecting: Rows, selected: int | None
) -> Stability | None:
    """Over the rows that were validated on the same examples as the selected one, where validation selects.
    `parameters`: how many each row trains; `val`, `selecting`: what rows scored by the primary measure, and by the one
    that selects. None where no examples are known that could be sampled."""
    if selected is None or selected not in val or record.grid.on_test or record.selected_by is None:
        return None
    others = differences.neighbours(val, selected)
    rows = [selected, *others]
    rows.sort(key=lambda r: cost(record, r, parameters[r]))  # of equal ones, argmax takes the first: so does the rule
    if not all(_can_be_sampled(each.get(r), val[selected].n) for each in (val, selecting) for r in rows):
        return None
    winners, corrected = _resampled([selecting[r] for r in rows], [val[r] for r in rows], record.selected_by.lowest)
    found = differences.between(val, [(selected, r) for r in others])
    alike = [selected, *(r for r, same in differences.alike(selected, others, found).items() if same)]
    counts = np.bincount(winners, minlength=len(rows)) / SAMPLES
    return Stability(
        {r: float(share) for r, share in sorted(zip(rows, counts, strict=True))},
        tuple(sorted(alike)),
        min(alike, key=lambda r: cost(record, r, parameters[r])),
        val[selected].mean,
        corrected,
    )


def _can_be_sampled(sample: Sample | None, n: int) -> bool:
    """Whether a row's value can be computed of any part of the same `n` examples."""
    return sample is not None and sample.n == n > 0 and (sample.scores is not None or sample.resample is not None)


def _resampled(selecting: Sequence[Sample], primary: Sequence[Sample], lowest: bool) -> tuple[np.ndarray, float]:
    """The winner's place in each bootstrap sample of the examples; the mean of the primary measure of the winners on
    the examples that their samples left out."""
    winners, values = [], []
    for weights in comparison.example_weights(selecting[0].n, SAMPLES):
        reweighted = _reweighted(selecting, weights)
        best = reweighted.argmin(axis=0) if lowest else reweighted.argmax(axis=0)
        winners.append(best)
        left_out = (weights == 0).astype(np.float32)
        some = left_out.any(axis=1)
        values += list(_left(primary, left_out[some], best[some]))
    return np.concatenate(winners), float(np.mean(values)) if values else float("nan")  # one example: none left


def _left(rows: Sequence[Sample], left_out: np.ndarray, best: np.ndarray) -> np.ndarray:
    """The value of row best[b] on the examples that sample b left out: (B,)."""
    places = np.arange(len(best))
    if any(r.scores is None for r in rows):
        return _reweighted(rows, left_out)[best, places] if len(best) else np.empty(0)
    scores = np.stack([r.share for r in rows]).astype(np.float32)
    found: np.ndarray = (left_out @ scores.T)[places, best] / left_out.sum(axis=1)
    return found


def _reweighted(rows: Sequence[Sample], weights: np.ndarray) -> np.ndarray:
    """What ranks the rows under each sample of the examples, the mean over their seeds: (R, B). Of scores that are not
    right or wrong it is the sum: all samples have the same size."""
    if any(r.scores is None for r in rows):
        return np.stack([r.resample(weights).mean(axis=0) for r in rows if r.resample])
    if rows[0].kind == BINARY:  # counts are exact in float32, so equal rows stay equal
        right: np.ndarray = np.stack([r.scores.sum(axis=0) for r in rows if r.scores is not None]).astype(np.float32)
        return np.asarray(right @ weights.T / np.array([[len(r.seeds)] for r in rows]))
    found: np.ndarray = np.stack([r.share for r in rows]) @ weights.T
    return found


def cost(record: Record, row: int, parameters: int) -> tuple[int, int, int]:
    """What decides between equal rows, the smallest first: parameters, updates, and the row's place."""
    return parameters, updates(record, row), row


def updates(record: Record, row: int) -> int:
    """How often the optimizer moves the weights: epochs x batches; 0 where a row states no batches."""
    condition = record.grid.rows[row - 1]
    epochs, batch = getattr(condition, "epochs", 0), getattr(condition, "batch_size", 0)
    return epochs * -(-record.examples(condition).get("train", 0) // batch) if batch else 0
