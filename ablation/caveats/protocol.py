"""How the selection was made, and what was seen before."""

from ablation.caveats.caveat import Caveat, compact, listed, plural, sentence, which
from ablation.caveats.known import Known
from ablation.measures.measure import Measure
from ablation.results.selection import before
from ablation.statistics.comparison import ROUNDING


def selected_on_test(known: Known) -> Caveat | None:
    sealed = known.findings.sealed
    if not sealed or not sealed.on_test or not sealed.row:
        return None
    metric = sealed.metric.removeprefix("test_")
    measure = known.record.measures.get(metric)
    return Caveat(
        "SELECTED_ON_TEST",
        f"Row {sealed.row} was selected by its test {measure.title if measure else metric}, out of "
        f"{plural(len(known.findings.test), 'row')}.",
        "Its test numbers are too good: the best of several is in part the luckiest.",
        "Select on validation, or report the selected row on images that played no part in the choice.",
        (sealed.row,),
    )


def opened_before(known: Known) -> Caveat | None:
    """The study grew after its test results had been seen."""
    sealed = known.findings.sealed
    if not sealed or not sealed.earlier:
        return None
    code, fact = "TEST_OPENED_BEFORE_SELECTION", sentence(before(known.record, sealed))
    if sealed.row is None:
        return Caveat(
            code,
            f"{fact}; nothing is selected now.",
            "What was added or changed may have been chosen in view of the test set.",
            f"State what was, and report the rows on {known.record.noun}s that nobody has looked at.",
        )
    return Caveat(
        code,
        f"{fact}; row {sealed.row} is selected now.",
        "What was added or changed may have been chosen in view of the test set, so the selected row's test numbers "
        "can be too good.",
        f"State what was, and report the selected row on {known.record.noun}s that nobody has looked at.",
        (sealed.row,),
    )


def disagree(known: Known) -> Caveat | None:
    """Validation and test put other rows first."""
    sealed, test = known.findings.sealed, known.findings.test
    if not sealed or sealed.on_test or sealed.row is None or sealed.row not in test:
        return None
    mine = test[sealed.row]
    rows = [row for row, answers in test.items() if answers.split == mine.split]
    firsts = {}
    for measure in known.record.detailed:
        values = {row: _on_test(known, row, measure) for row in rows}
        sign = -1 if measure.lowest else 1
        best = max(rows, key=lambda row: sign * values[row])
        if sign * (values[best] - values[sealed.row]) > ROUNDING:
            firsts[measure] = (best, values[best], values[sealed.row])
    if not firsts:
        return None
    others = sorted({best for best, _, _ in firsts.values()})
    alike = [row for row in others if known.findings.analysis.rows[row].alike]
    told = f"; test does not tell {which(alike)} from it" if alike else ""
    said = listed(
        f"row {b} by test {m.title} ({compact(m, x, 2)}, row {sealed.row} has {compact(m, y, 2)})"
        for m, (b, x, y) in firsts.items()
    )
    return Caveat(
        "VAL_TEST_DISAGREE",
        f"Row {sealed.row} was selected, but test puts another row first: {said}{told}.",
        f"To report {which(others)} as the best instead would be selection on test, and its numbers too good.",
        f"Keep row {sealed.row}; call the rows different only where a test on them says so.",
        (sealed.row, *others),
    )


def _on_test(known: Known, row: int, measure: Measure) -> float:
    """The mean over seeds of a measure of a row whose test predictions are opened; nan where it is not known."""
    if measure.name == known.record.primary.name:
        return known.test_values.get(row, float("nan"))
    sample = known.findings.test[row].sample(measure)
    return sample.mean if sample else float("nan")


def reused(known: Known) -> Caveat | None:
    others = known.looks - 1
    if others < 1:
        return None
    return Caveat(
        "REUSED_TEST",
        f"{plural(others, 'other study', 'other studies')} of this workspace {'has' if others == 1 else 'have'} seen "
        f"the same test {known.record.noun}s.",
        "Each look at a test set lets it guide what is tried next, and it becomes less of a test.",
        f"Confirm the final row on {known.record.noun}s that no study has seen.",
    )


def other_data(known: Known) -> Caveat | None:
    found = known.findings.reproduction
    if not found or not found.other:
        return None
    agreement = found.agreement
    tau = f"Kendall's tau {agreement.tau:.2f} over {plural(agreement.rows, 'row')}" if agreement.tau is not None else ""
    signs = (
        f"{agreement.same_signs} of {plural(agreement.signs, 'one-factor contrast')} with the published sign"
        if agreement.signs
        else ""
    )
    can = " and ".join(part for part in (tau, signs) if part)
    return Caveat(
        "OTHER_DATA",
        f"The published numbers are of other data or weights: {found.other}.",
        "Measured minus published says nothing here"
        + (f"; what can be compared is ranks and signs: {can}." if can else "."),
        "To reproduce the numbers, give the source's images with --data, and its weights.",
    )


def weights_replaced(known: Known) -> Caveat | None:
    replaced = known.record.inputs.replaced
    if not replaced:
        return None
    rows = [n for n, r in enumerate(known.grid.rows, start=1) if f"{r.backbone}/{r.weights}" in replaced]
    backbones = sorted({name.partition("/")[0] for name in replaced})
    return Caveat(
        "WEIGHTS_REPLACED",
        f"{sentence(which(rows, 'rests', 'rest'))} on random weights: the ImageNet weights of "
        f"{listed(backbones)} could not be had.",
        "A random backbone extracts other features, so these accuracies say nothing of pretrained ones.",
        "Connect to the internet once, or pass --set weights=PATH, under a --name of its own.",
        tuple(rows),
    )


def left_out(known: Known) -> Caveat | None:
    many = len(known.record.inputs.left_out)
    if not many:
        return None
    return Caveat(
        "LEFT_OUT",
        f"{plural(many, 'image was', 'images were')} left out because {'it' if many == 1 else 'they'} could not be "
        "decoded.",
        "The numbers are of the images that are left, and others may count them otherwise.",
        "Repair the files, or state how many were left out.",
    )
