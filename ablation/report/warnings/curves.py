"""Warnings from the learning curves about the numbers of the last epoch, which are the reported numbers.

Train accuracy is evaluated with dropout off and is never read from the fit's history. Dropout thus needs no warning.
"""

import math
from collections.abc import Mapping
from statistics import fmean

import numpy as np

from ablation.analysis.check_context import CheckContext
from ablation.analysis.facts import GAP
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import extreme, listed, percent, points, which
from ablation.statistics.intervals import ALPHA
from ablation.store.result import Result

RISE = 0.05  # rise of validation loss above its minimum, as a share of the minimum
LAST = 5  # number of last epochs whose validation accuracy is checked for jumps
TAIL, FEWEST = 0.10, 3  # the end of a curve: this share of its epochs, and at least this many epochs
SHORT = 10  # curves with fewer epochs cannot show a plateau


def _train_val_gap(result: Result, name: str) -> float | None:
    """Return the train score minus the validation score of a measure; None where one of the two is not known."""
    train, val = (result.scores.get(split, {}).get(name) for split in ("train", "val"))
    return None if train is None or val is None else train - val


def overfit_gap(context: CheckContext) -> Diagnostic | None:
    """Warn where the primary measure, a share, is more than GAP higher on train than on validation."""
    primary = context.record.primary
    if not primary.is_share:
        return None
    seed_gaps = {
        row: [_train_val_gap(result, primary.name) for _, result in per_seed]
        for row, per_seed in context.finished.items()
    }
    gaps = {
        row: fmean(gap for gap in per_seed if gap is not None)
        for row, per_seed in seed_gaps.items()
        if None not in per_seed
    }
    sign = -1 if primary.lowest else 1  # an error rate is higher on validation
    gaps = {row: sign * gap for row, gap in gaps.items()}
    rows = [row for row, gap in gaps.items() if gap > GAP]
    if not rows:
        return None
    side = "below" if primary.lowest else "above"
    return Diagnostic(
        "OVERFIT_GAP",
        f"In {which(rows)} train {primary.title} is more than {points(GAP)} {side} validation {primary.title} "
        f"({extreme(gaps, rows, points)}).",
        "These rows overfit: much of what they learnt does not carry over to new images.",
        "Try more dropout, fewer units, fewer epochs or augmentation.",
        tuple(rows),
    )


def overfit_curve(context: CheckContext) -> Diagnostic | None:
    """Warn where validation loss rises while train loss falls."""
    rises, lowest_epochs = {}, {}
    for row, curve in context.curves.items():
        lowest = int(curve.val_loss.argmin())
        if curve.train_loss[-1] < curve.train_loss[lowest]:
            rises[row], lowest_epochs[row] = float(curve.val_loss[-1] / curve.val_loss[lowest] - 1), lowest + 1
    rows = [row for row, rise in rises.items() if rise > RISE]
    if not rows:
        return None
    worst = max(rows, key=rises.__getitem__)
    return Diagnostic(
        "OVERFIT_CURVE",
        f"In {which(rows)} validation loss rises from its minimum to the last epoch while train loss falls (row "
        f"{worst}: by {percent(rises[worst])} since epoch {lowest_epochs[worst]}).",
        "The last epoch, whose numbers are reported, is not the best of these trainings; the models have become "
        "overconfident.",
        f"Add rows with fewer epochs (about {lowest_epochs[worst]} for row {worst}): "
        "their results are taken from the same trainings.",
        tuple(rows),
    )


def still_improving(context: CheckContext) -> Diagnostic | None:
    """Warn where validation accuracy rises, over the last tenth of the epochs, by more than its sampling error."""
    rises, windows = {}, {}
    for row, curve in context.curves.items():
        window = max(FEWEST, round(TAIL * len(curve.val_accuracy)))
        if len(curve.val_accuracy) >= window:
            slope = np.polyfit(np.arange(window), curve.val_accuracy[-window:], 1)[0]
            if slope * (window - 1) > curve.error:
                rises[row], windows[row] = float(slope * (window - 1)), window
    if not rises:
        return None
    steepest = max(rises, key=rises.__getitem__)
    return Diagnostic(
        "STILL_IMPROVING",
        f"Validation accuracy still rises at the end of {which(rises)} (row {steepest}: by "
        f"{points(rises[steepest])} over the last {windows[steepest]} epochs; "
        f"sampling error {points(context.curves[steepest].error)}).",
        "With more epochs these rows may overtake others; their results depend on where training stopped.",
        "Add rows with more epochs.",
        tuple(rises),
    )


def saturated_early(context: CheckContext) -> Diagnostic | None:
    """Warn where validation accuracy is within a sampling error of its best before half of the epochs."""
    reached = {}
    for row, curve in context.curves.items():
        first = int((curve.val_accuracy >= curve.val_accuracy.max() - curve.error).argmax()) + 1
        if len(curve.val_accuracy) >= SHORT and first < len(curve.val_accuracy) / 2:
            reached[row] = first
    if not reached:
        return None
    row = min(reached, key=lambda r: reached[r] / len(context.curves[r].val_accuracy))
    return Diagnostic(
        "SATURATED_EARLY",
        f"Validation accuracy is within a sampling error of its best already by half of the epochs in {which(reached)} "
        f"(row {row}: at epoch {reached[row]} of {len(context.curves[row].val_accuracy)}).",
        "Later epochs cost time, and this validation set shows no gain from them.",
        _longer_is_better(context, reached)
        or f"Fewer epochs may suffice (about {reached[row]} for row {row}): add such a row, which is taken from the "
        "same training, and compare the two on test.",
        tuple(reached),
    )


def _longer_is_better(context: CheckContext, reached: Mapping[int, int]) -> str:
    """Return a remedy that names the study's contrasts in which more epochs are significantly better on test.

    A contrast counts where one of its rows is in `reached`, and its shorter row already has so many epochs. Returns ""
    where there is no such contrast.

    Args:
        context: what the check is made from.
        reached: row -> epoch at which its validation accuracy is near its best.
    """
    measure, texts = context.record.primary, []
    for contrast in context.study.analysis.contrasts:
        pair, difference = contrast.pair, contrast.difference
        shorter, longer = sorted((pair.first, pair.second), key=lambda row: _epochs(context, row))
        gain = difference.value.value * (1 if longer == pair.second else -1) * (-1 if measure.lowest else 1)
        enough = [row for row in (shorter, longer) if reached.get(row, math.inf) <= _epochs(context, shorter)]
        if pair.factor == "epochs" and enough and gain > 0 and difference.p_holm < ALPHA:
            texts.append(f"row {longer} ({_epochs(context, longer)} epochs) than row {shorter} "
                         f"({_epochs(context, shorter)}): {measure.size(gain, 1)}")  # fmt: skip
    if not texts:
        return ""
    return f"Keep the epochs: on test, more of them are significantly better in this study ({listed(texts)})."


def _epochs(context: CheckContext, row: int) -> int:
    """Return the number of epochs of a row; 0 where the experiment has none."""
    return int(getattr(context.grid.rows[row - 1], "epochs", 0))


def late_variance(context: CheckContext) -> Diagnostic | None:
    """Warn where validation accuracy varies over the last epochs by more than its sampling error.

    The deviation is measured around a line fitted to the last epochs, so that a steady rise is not counted as chance.
    """
    spreads = {}
    for row, curve in context.curves.items():
        if len(curve.val_accuracy) >= LAST:
            epochs, last = np.arange(LAST), curve.val_accuracy[-LAST:]
            residuals = last - np.polyval(np.polyfit(epochs, last, 1), epochs)
            spread = float((residuals**2).sum() / (LAST - 2)) ** 0.5
            if spread > curve.error:
                spreads[row] = spread
    if not spreads:
        return None
    worst = max(spreads, key=spreads.__getitem__)
    return Diagnostic(
        "LATE_VARIANCE",
        f"Over the last {LAST} epochs validation accuracy jumps by more than its sampling error in {which(spreads)} "
        f"(row {worst}: standard deviation {points(spreads[worst])}, "
        f"sampling error {points(context.curves[worst].error)}).",
        "The scores of these rows at the last epoch depend partly on chance.",
        "Try a lower learning rate or a larger batch, and several seeds.",
        tuple(spreads),
    )
