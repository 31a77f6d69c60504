"""Warnings about implausible or ambiguous published numbers."""

from decimal import Decimal

from ablation.analysis.check_context import CheckContext
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, plural, which
from ablation.study.levels import Condition


def _half_unit(value: Decimal) -> Decimal:
    """Return half a unit of the last printed digit."""
    return Decimal(5).scaleb(int(value.as_tuple().exponent) - 1)


def _f1_excess(published: dict[str, Decimal]) -> Decimal | None:
    """Return F1 minus test accuracy; 0 where rounding explains the difference, None where one of the two is missing."""
    if not {"f1", "test_accuracy"} <= published.keys():
        return None
    f1, accuracy = published["f1"], published["test_accuracy"]
    tolerance = _half_unit(f1) + _half_unit(accuracy)
    gap = f1 - accuracy
    return Decimal(0) if abs(gap) <= tolerance else gap


def f1_above_accuracy(context: CheckContext) -> Diagnostic | None:
    """Warn where a published F1 exceeds the published accuracy by more than rounding allows."""
    gaps = {row: gap for row, p in enumerate(context.grid.published, start=1) if (gap := _f1_excess(p)) and gap > 0}
    if not gaps:
        return None
    published = {row: context.grid.published[row - 1] for row in gaps}
    parts = [f"row {row} (F1 {p['f1']}, accuracy {p['test_accuracy']})" for row, p in published.items()]
    return Diagnostic(
        "PUBLISHED_F1",
        f"The published F1 exceeds the published accuracy by more than rounding allows in {plural(len(gaps), 'row')}: "
        f"{listed(parts)}.",
        "Micro-F1 equals accuracy, and weighted F1 is close to it; macro-F1 can be higher, where small classes are "
        "recognized better. Otherwise one of the two may be an error in the source.",
        "Check in the source which F1 it is; a measured F1 below the published one need not be a failed reproduction.",
        tuple(gaps),
    )


def f1_average(context: CheckContext) -> Diagnostic | None:
    """Warn where a published F1 does not name its average (macro, weighted or micro)."""
    rows = [row for row, published in enumerate(context.grid.published, start=1) if "f1" in published]
    if not rows:
        return None
    equal_rows = [row for row in rows if _f1_excess(context.grid.published[row - 1]) == 0]
    equal_text = f"; in {which(equal_rows)} it equals the published accuracy within rounding" if equal_rows else ""
    return Diagnostic(
        "F1_UNDEFINED_AVERAGE",
        f"The average of the published F1 of {which(rows)} (macro, weighted or micro) is not stated{equal_text}.",
        "These averages differ if the classes have unequal sizes; micro-F1 equals accuracy.",
        "Compare it with all three in table.csv, and state which one is meant.",
        tuple(rows),
    )


def odd(context: CheckContext) -> Diagnostic | None:
    """Warn where a published row trains worse in more epochs than an otherwise equal row in fewer epochs."""
    groups: dict[Condition, list[int]] = {}
    if "epochs" not in context.grid.factors.by_name:
        return None
    for number, row in enumerate(context.grid.rows, start=1):
        if "train_accuracy" in context.grid.published[number - 1]:
            groups.setdefault(row.replace(epochs=1), []).append(number)
    texts_by_row: dict[int, str] = {}
    for group in groups.values():
        for longer in group:
            for shorter in group:
                text = _comparison_text(context, shorter, longer)
                if text:
                    texts_by_row.setdefault(longer, text)
    if not texts_by_row:
        return None
    return Diagnostic(
        "PUBLISHED_ODD",
        f"Published: {listed(texts_by_row.values())}.",
        "A longer training with equal settings fits its train images better; such a row may come from other "
        "settings, another seed or an error.",
        f"Check the source before {which(texts_by_row, 'is', 'are')} compared with anything.",
        tuple(texts_by_row),
    )


def conflict(context: CheckContext) -> Diagnostic | None:
    """Warn where studies that are run as one state different published numbers of one row."""
    conflicts = context.grid.conflicts
    if not conflicts:
        return None
    texts = [
        f"row {c.row}, {c.metric.replace('_', ' ')}: {' and '.join(f'{value} in {study}' for study, value in c.said)}"
        for c in conflicts
    ]
    return Diagnostic(
        "PUBLISHED_CONFLICT",
        f"The same training is published with different numbers: {listed(texts)}.",
        "One of the two comes from another training, or is an error; measured numbers are compared with the first.",
        "Check the source, and state which of them is meant.",
        tuple(sorted({c.row for c in conflicts})),
    )


def _comparison_text(context: CheckContext, shorter: int, longer: int) -> str:
    """Return a sentence on row `longer`, where it has more epochs and a lower train accuracy than row `shorter`.

    Returns "" otherwise, and where rounding explains the difference.
    """
    short_epochs, long_epochs = (context.grid.rows[row - 1].epochs for row in (shorter, longer))
    short_value, long_value = (context.grid.published[row - 1]["train_accuracy"] for row in (shorter, longer))
    if short_epochs >= long_epochs or short_value - long_value <= _half_unit(short_value) + _half_unit(long_value):
        return ""
    return (
        f"row {longer} has train accuracy {long_value} after {plural(long_epochs, 'epoch')}; row "
        f"{shorter}, which is otherwise equal, has a higher one after {short_epochs} ({short_value})"
    )
