"""Warnings about the protocol: the selection, earlier use of the test set, and the inputs of the study."""

from ablation.analysis.check_context import CheckContext
from ablation.analysis.selection import before
from ablation.measures.measure import Measure
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, plural, sentence, which
from ablation.statistics.intervals import ROUNDING


def selected_on_test(context: CheckContext) -> Diagnostic | None:
    """Warn where the row was selected by its test results."""
    sealed = context.study.sealed
    if not sealed or not sealed.on_test or not sealed.row:
        return None
    metric = sealed.metric.removeprefix("test_")
    measure = context.record.measures.get(metric)
    return Diagnostic(
        "SELECTED_ON_TEST",
        f"Row {sealed.row} was selected by its {context.record.compared(measure) if measure else metric}, out of "
        f"{plural(len(context.study.test), 'row')}.",
        "Its test numbers are too good: the best of several is partly the luckiest.",
        "Select on validation, or report the selected row on images that were not used to select it.",
        (sealed.row,),
    )


def opened_before(context: CheckContext) -> Diagnostic | None:
    """Warn where the study grew, or its selection rule changed, after its test results had been seen."""
    sealed = context.study.sealed
    if not sealed or not sealed.earlier or context.grid.is_imported:  # their test numbers were known all along
        return None
    code, fact = "TEST_OPENED_BEFORE_SELECTION", sentence(before(context.record, sealed))
    if sealed.row is None:
        return Diagnostic(
            code,
            f"{fact}; nothing is selected now.",
            "The changes may have been chosen with knowledge of the test set.",
            f"State the changes, and report the rows on {context.record.noun}s that were never used.",
        )
    return Diagnostic(
        code,
        f"{fact}; row {sealed.row} is selected now.",
        "The changes may have been chosen with knowledge of the test set, so the selected row's test numbers can "
        "be too good.",
        f"State the changes, and report the selected row on {context.record.noun}s that were never used.",
        (sealed.row,),
    )


def disagree(context: CheckContext) -> Diagnostic | None:
    """Warn where validation selected one row and another row is the best on test."""
    sealed, test = context.study.sealed, context.study.test
    if not sealed or sealed.on_test or sealed.row is None or sealed.row not in test:
        return None
    selected = test[sealed.row]
    compared = context.study.analysis.rows
    rows = [row for row, evidence in test.items() if evidence.split == selected.split and row in compared]
    if sealed.row not in rows:
        return None
    firsts, bests = dict[Measure, list[int]](), dict[Measure, tuple[float, float]]()
    for measure in context.record.detailed:
        values = {row: _on_test(context, row, measure) for row in rows}
        sign = -1 if measure.lowest else 1
        best = max(sign * value for value in values.values())
        if best - sign * values[sealed.row] > ROUNDING:
            firsts[measure] = [row for row in rows if best - sign * values[row] <= ROUNDING]
            bests[measure] = values[firsts[measure][0]], values[sealed.row]
    if not firsts:
        return None
    others = sorted({row for best_rows in firsts.values() for row in best_rows})
    alike = [row for row in others if compared[row].not_different]
    alike_text = (
        f"; on test, {which(alike, 'does', 'do')} not differ significantly from row {sealed.row}" if alike else ""
    )
    firsts_text = listed(
        f"{which(firsts[m])} by test {m.title} ({m.compact(x, 2)}, row {sealed.row} has {m.compact(y, 2)})"
        for m, (x, y) in bests.items()
    )
    return Diagnostic(
        "VAL_TEST_DISAGREE",
        f"Row {sealed.row} was selected, but {'another row is' if not others[1:] else 'other rows are'} best on test: "
        f"{firsts_text}{alike_text}.",
        f"Reporting {which(others)} as the best instead would be selection on test, with numbers that are too good.",
        f"Keep row {sealed.row}; call rows different only if a significance test shows it.",
        (sealed.row, *others),
    )


def _on_test(context: CheckContext, row: int, measure: Measure) -> float:
    """Return the mean over seeds of a measure of a row whose test predictions are opened; nan for unknown values."""
    if measure.name == context.record.primary.name:
        return context.test_values.get(row, float("nan"))
    sample = context.study.test[row].sample(measure)
    return sample.mean if sample else float("nan")


def reused(context: CheckContext) -> Diagnostic | None:
    """Warn where other studies of the workspace have seen the same test examples."""
    n_others = context.looks - 1
    if n_others < 1:
        return None
    return Diagnostic(
        "REUSED_TEST",
        f"{plural(n_others, 'other study', 'other studies')} of this workspace {'has' if n_others == 1 else 'have'} "
        f"used the same test {context.record.noun}s.",
        "Each look at a test set influences what is tried next, so the test becomes less independent.",
        f"Confirm the final row on {context.record.noun}s that no study has used.",
    )


def other_data(context: CheckContext) -> Diagnostic | None:
    """Warn where the published numbers belong to other data or weights."""
    reproduction = context.study.reproduction
    if not reproduction:
        return None
    if not reproduction.other:
        return None if reproduction.agreement.is_stated else _unchecked_data(reproduction.agreement.n)
    agreement = reproduction.agreement
    signs = (
        f"{agreement.same_signs} of {plural(agreement.signs, 'one-factor contrast')} with the published sign"
        if agreement.signs
        else ""
    )
    comparable = " and ".join(part for part in (agreement.ranks, signs) if part)
    return Diagnostic(
        "OTHER_DATA",
        f"The published numbers come from other data or weights: {reproduction.other}.",
        "Differences between measured and published numbers mean nothing here"
        + (f"; only ranks and signs can be compared: {comparable}." if comparable else "."),
        "To reproduce the numbers, pass the source's images with --data, and its weights with --set weights=PATH.",
    )


def _unchecked_data(n: int) -> Diagnostic:
    """Return the warning that nothing shows whether the published numbers belong to these data."""
    return Diagnostic(
        "OTHER_DATA",
        "The study file does not state published_test_images, so it was not checked whether the published numbers come "
        "from these data.",
        f"A comparison of measured and published numbers holds only for the source's data; the intervals take {n:,} "
        "test images for the source too.",
        "State published_test_images in the study file, the number of test images of the source.",
    )


def weights_replaced(context: CheckContext) -> Diagnostic | None:
    """Warn where inputs of the trainings were replaced because they were not available. An experiment can say more."""
    replaced = context.record.inputs.replaced
    if not replaced:
        return None
    return Diagnostic(
        "WEIGHTS_REPLACED",
        f"Inputs of the trainings were not available and were replaced: {listed(replaced)}.",
        "Numbers with replaced inputs say nothing about the inputs that the study states.",
        "Provide the stated inputs, and run the study with a new --name.",
    )


def left_out(context: CheckContext) -> Diagnostic | None:
    """Warn where images were left out because they could not be decoded."""
    n_images = len(context.record.inputs.left_out)
    if not n_images:
        return None
    return Diagnostic(
        "LEFT_OUT",
        f"{plural(n_images, 'image was', 'images were')} left out because {'it' if n_images == 1 else 'they'} could "
        "not be decoded.",
        "The numbers are computed on the remaining images; other software may decode more or fewer images.",
        "Repair the files, or state how many were left out.",
    )
