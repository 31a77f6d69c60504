"""What the selection is worth: how often another sample of the validation images would have chosen each row."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ablation.grids.levels import Condition
from ablation.grids.record import Record
from ablation.statistics import comparison, differences
from ablation.statistics.facts import Answers, Stability

SAMPLES = 2_000  # bootstrap samples of the validation images, for the selection


def stability(
    record: Record, parameters: Mapping[int, int], val: Mapping[int, Answers], selected: int | None
) -> Stability | None:
    """Over the rows that were validated on the same images as the selected one, where validation selects. `parameters`:
    how many each row trains."""
    if selected is None or selected not in val or record.grid.on_test:
        return None
    others = differences.neighbours(val, selected)
    rows = [selected, *others]
    rows.sort(key=lambda r: cost(record, r, parameters[r]))  # of equal ones, argmax takes the first: so does the rule
    winners, corrected = _resampled(record, [val[r] for r in rows])
    found = differences.between(val, [(selected, r) for r in others])
    alike = [selected, *(r for r, same in differences.alike(selected, others, found).items() if same)]
    counts = np.bincount(winners, minlength=len(rows)) / SAMPLES
    return Stability(
        {r: float(share) for r, share in sorted(zip(rows, counts, strict=True))},
        tuple(sorted(alike)),
        min(alike, key=lambda r: cost(record, r, parameters[r])),
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
        values = _reweighted(metric, rows, weights, len(record.inputs.classes))
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


def cost(record: Record, row: int, parameters: int) -> tuple[int, int, int]:
    """What decides between equal rows, the smallest first: parameters, updates, and the row's place."""
    return parameters, updates(record, row), row


def updates(record: Record, row: int) -> int:
    """Return how much is done to train a row: as its experiment counts it (updates of the weights), else its steps."""
    condition = record.grid.rows[row - 1]
    updates: Callable[[Condition, Mapping[str, int]], int] | None = getattr(record.experiment, "updates", None)
    if updates is None:
        return record.grid.factors.step(condition)
    return updates(condition, record.inputs.examples(condition))
