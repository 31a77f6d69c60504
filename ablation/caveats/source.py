"""What is odd in the published numbers themselves."""

from decimal import Decimal

from ablation.caveats.caveat import Caveat, listed, plural, which
from ablation.caveats.known import Known
from ablation.grids.levels import Condition


def _half(value: Decimal) -> Decimal:
    """Half a unit of the last digit that is printed."""
    return Decimal(5).scaleb(int(value.as_tuple().exponent) - 1)


def _f1_above(published: dict[str, Decimal]) -> Decimal | None:
    """By how much F1 exceeds test accuracy beyond what rounding allows; negative: below it. None: not both there."""
    if not {"f1", "test_accuracy"} <= published.keys():
        return None
    f1, accuracy = published["f1"], published["test_accuracy"]
    slack = _half(f1) + _half(accuracy)
    gap = f1 - accuracy
    return Decimal(0) if abs(gap) <= slack else gap


def f1_above_accuracy(known: Known) -> Caveat | None:
    gaps = {row: gap for row, p in enumerate(known.grid.published, start=1) if (gap := _f1_above(p)) and gap > 0}
    if not gaps:
        return None
    of = {row: known.grid.published[row - 1] for row in gaps}
    said = [f"row {row} (F1 {p['f1']}, accuracy {p['test_accuracy']})" for row, p in of.items()]
    return Caveat(
        "PUBLISHED_F1",
        f"The published F1 exceeds the published accuracy by more than rounding allows in {plural(len(gaps), 'row')}: "
        f"{listed(said)}.",
        "Micro-F1 equals accuracy, and weighted F1 lies close to it, so one of the two may be a slip in the source.",
        "Check the source; do not read a measured F1 below it as a failure to reproduce.",
        tuple(gaps),
    )


def f1_average(known: Known) -> Caveat | None:
    rows = [row for row, published in enumerate(known.grid.published, start=1) if "f1" in published]
    if not rows:
        return None
    equal = [row for row in rows if _f1_above(known.grid.published[row - 1]) == 0]
    near = f"; in {which(equal)} it equals the published accuracy within rounding" if equal else ""
    return Caveat(
        "F1_UNDEFINED_AVERAGE",
        f"The published F1 of {which(rows)} comes without its average{near}.",
        "It can be macro, weighted or micro, which differ where classes do; micro-F1 equals accuracy.",
        "Compare it with all three, which table.csv has, and say which one is meant.",
        tuple(rows),
    )


def odd(known: Known) -> Caveat | None:
    """A published row that trains worse in more epochs than its otherwise equal row in fewer."""
    groups: dict[Condition, list[int]] = {}
    for number, row in enumerate(known.grid.rows, start=1):
        if "train_accuracy" in known.grid.published[number - 1]:
            groups.setdefault(row.replace(epochs=1), []).append(number)
    found: dict[int, str] = {}
    for group in groups.values():
        for longer in group:
            for shorter in group:
                said = _worse(known, shorter, longer)
                if said:
                    found.setdefault(longer, said)
    if not found:
        return None
    return Caveat(
        "PUBLISHED_ODD",
        f"Published: {listed(found.values())}.",
        "A longer training with equal settings fits its train images better; behind such a row may stand other "
        "settings, another seed or a slip.",
        f"Check the source before {which(found, 'is', 'are')} compared with anything.",
        tuple(found),
    )


def conflict(known: Known) -> Caveat | None:
    """Studies that are run as one, and state other numbers of one row."""
    found = known.grid.conflicts
    if not found:
        return None
    each = [
        f"row {c.row}, {c.metric.replace('_', ' ')}: {' and '.join(f'{value} in {study}' for study, value in c.said)}"
        for c in found
    ]
    return Caveat(
        "PUBLISHED_CONFLICT",
        f"The same training is published with different numbers: {listed(each)}.",
        "One of the two is of another training or a slip; measured numbers are compared with the first.",
        "Check the source, and state which of them is meant.",
        tuple(sorted({c.row for c in found})),
    )


def _worse(known: Known, shorter: int, longer: int) -> str:
    few, many = (known.grid.rows[row - 1].epochs for row in (shorter, longer))
    before, after = (known.grid.published[row - 1]["train_accuracy"] for row in (shorter, longer))
    if few >= many or before - after <= _half(before) + _half(after):
        return ""
    return (
        f"row {longer} trains worse in {plural(many, 'epoch')} (train accuracy {after}) than row {shorter}, otherwise "
        f"equal, in {few} ({before})"
    )
