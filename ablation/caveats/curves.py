"""What the learning curves say of the numbers of the last epoch, which are those that are reported.

Train accuracy is evaluated with dropout off, never read off the fit's history: no warning about that is needed.
"""

from statistics import fmean

import numpy as np

from ablation.caveats.caveat import Caveat, extreme, percent, points, which
from ablation.caveats.known import Known
from ablation.results.result import Result
from ablation.statistics.facts import GAP

RISE = 0.05  # of validation loss above its minimum, as a share of it (report.md, 3.3)
LAST = 5  # epochs over which the last ones are compared (report.md, 3.3)
TAIL, FEWEST = 0.10, 3  # the end of a curve: so large a part of it, and at least so many epochs
SHORT = 10  # curves with fewer epochs say nothing of a plateau


def _apart(result: Result, name: str) -> float | None:
    """How much higher a measure is on train than on validation; None where one of the two is not known."""
    train, val = (result.scores.get(split, {}).get(name) for split in ("train", "val"))
    return None if train is None or val is None else train - val


def overfit_gap(known: Known) -> Caveat | None:
    primary = known.record.primary
    if not primary.is_share:
        return None
    apart = {row: [_apart(result, primary.name) for _, result in some] for row, some in known.finished.items()}
    gaps = {row: fmean(gap for gap in some if gap is not None) for row, some in apart.items() if None not in some}
    rows = [row for row, gap in gaps.items() if gap > GAP]
    if not rows:
        return None
    return Caveat(
        "OVERFIT_GAP",
        f"In {which(rows)} train {primary.title} lies more than {points(GAP)} above validation {primary.title} "
        f"({extreme(gaps, rows, points)}).",
        "These heads have learnt much of their train images that does not carry over to new ones.",
        "Try more dropout, fewer units, fewer epochs or augmentation.",
        tuple(rows),
    )


def overfit_curve(known: Known) -> Caveat | None:
    """Validation loss rises while train loss falls."""
    rises, lows = {}, {}
    for row, curve in known.curves.items():
        low = int(curve.val_loss.argmin())
        if curve.train_loss[-1] < curve.train_loss[low]:
            rises[row], lows[row] = float(curve.val_loss[-1] / curve.val_loss[low] - 1), low + 1
    rows = [row for row, rise in rises.items() if rise > RISE]
    if not rows:
        return None
    worst = max(rows, key=rises.__getitem__)
    return Caveat(
        "OVERFIT_CURVE",
        f"In {which(rows)} validation loss rises from its minimum to the last epoch while train loss falls (row "
        f"{worst}: by {percent(rises[worst])} since epoch {lows[worst]}).",
        "The last epoch, whose numbers are reported, is not the best of these trainings; they have become too sure of "
        "themselves.",
        f"Add rows with fewer epochs (about {lows[worst]} for row {worst}): they are read off the same trainings.",
        tuple(rows),
    )


def still_improving(known: Known) -> Caveat | None:
    """Validation accuracy rises, over the last tenth of the epochs, by more than its sampling error."""
    rises, windows = {}, {}
    for row, curve in known.curves.items():
        window = max(FEWEST, round(TAIL * len(curve.val_accuracy)))
        if len(curve.val_accuracy) >= window:
            slope = np.polyfit(np.arange(window), curve.val_accuracy[-window:], 1)[0]
            if slope * (window - 1) > curve.error:
                rises[row], windows[row] = float(slope * (window - 1)), window
    if not rises:
        return None
    most = max(rises, key=rises.__getitem__)
    return Caveat(
        "STILL_IMPROVING",
        f"Validation accuracy still rises at the end of {which(rises)} (row {most}: by {points(rises[most])} over the "
        f"last {windows[most]} epochs; sampling error {points(known.curves[most].error)}).",
        "With more epochs these rows may overtake others; what they have now depends on where they were stopped.",
        "Add rows with more epochs.",
        tuple(rises),
    )


def saturated_early(known: Known) -> Caveat | None:
    """Validation accuracy is within a sampling error of its best before half of the epochs."""
    reached = {}
    for row, curve in known.curves.items():
        first = int((curve.val_accuracy >= curve.val_accuracy.max() - curve.error).argmax()) + 1
        if len(curve.val_accuracy) >= SHORT and first < len(curve.val_accuracy) / 2:
            reached[row] = first
    if not reached:
        return None
    row = min(reached, key=lambda r: reached[r] / len(known.curves[r].val_accuracy))
    return Caveat(
        "SATURATED_EARLY",
        f"Validation accuracy comes within a sampling error of its best before half of the epochs in {which(reached)} "
        f"(row {row}: at epoch {reached[row]} of {len(known.curves[row].val_accuracy)}).",
        "The epochs after that cost time and add nothing that this validation set can show.",
        f"Fewer epochs will do (about {reached[row]} for row {row}): such rows are read off the same trainings.",
        tuple(reached),
    )


def late_variance(known: Known) -> Caveat | None:
    """Around the line through the last epochs: a steady rise is no luck."""
    spreads = {}
    for row, curve in known.curves.items():
        if len(curve.val_accuracy) >= LAST:
            epochs, last = np.arange(LAST), curve.val_accuracy[-LAST:]
            residuals = last - np.polyval(np.polyfit(epochs, last, 1), epochs)
            spread = float((residuals**2).sum() / (LAST - 2)) ** 0.5
            if spread > curve.error:
                spreads[row] = spread
    if not spreads:
        return None
    most = max(spreads, key=spreads.__getitem__)
    return Caveat(
        "LATE_VARIANCE",
        f"Over the last {LAST} epochs validation accuracy jumps by more than its sampling error in {which(spreads)} "
        f"(row {most}: standard deviation {points(spreads[most])}, sampling error {points(known.curves[most].error)}).",
        "What these rows score at the last epoch is in part the luck of that epoch.",
        "Try a lower learning rate or a larger batch, and several seeds.",
        tuple(spreads),
    )
