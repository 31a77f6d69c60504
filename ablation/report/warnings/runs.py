"""Warnings about the outcomes of the trials, and about the environments of the trainings."""

from collections import Counter
from collections.abc import Hashable, Iterable

import numpy as np

from ablation.analysis.check_context import CheckContext
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import MANY, listed, plural, sentence, which
from ablation.outcomes import STOPPED, Status
from ablation.store.checkpoint import RECORDED

NOT_RUN = "not run"


def failed(context: CheckContext) -> Diagnostic | None:
    """Warn where trials have no result, but for replicates of the reference, and runs that a search pruned."""
    rows_by_outcome: dict[str, list[int]] = {}
    trials = [(t, r) for t, r in context.study.results.items() if not context.grid.is_replicate(t)]
    for trial, result in trials:
        if not (result and (result.done or result.outcome is Status.PRUNED)):
            rows_by_outcome.setdefault(result.outcome if result else NOT_RUN, []).append(trial.row)
    if not rows_by_outcome:
        return None
    rows = sorted({row for row_numbers in rows_by_outcome.values() for row in row_numbers})
    partial_rows = [row for row in rows if row in context.finished]
    n_failed = sum(map(len, rows_by_outcome.values()))
    outcomes_text = "; ".join(f"{outcome}: {which(row_numbers)}" for outcome, row_numbers in rows_by_outcome.items())
    fewer = f"results for fewer {context.grid.replication}"
    partial_text = f" {sentence(which(partial_rows, 'has', 'have'))} {fewer}." if partial_rows else ""
    retry = " (diverged trials only with `--retry diverged`)" if Status.DIVERGED in rows_by_outcome else ""
    remedy = f"`ablate run` retries them{retry}; if they fail again, keep their rows in the table."
    if context.grid.is_imported:
        remedy = "Keep their rows in the table; import again when the source has their results."
    by_settings = ", and a row may have failed because of its settings"
    if context.grid.is_imported and not rows_by_outcome.keys() - {*STOPPED}:
        by_settings = ": these runs were stopped, whatever their results"
    return Diagnostic(
        "FAILED_ROWS",
        f"{n_failed:,} of {plural(len(trials), 'trial')} {'has' if n_failed == 1 else 'have'} no result "
        f"({outcomes_text}).{partial_text}",
        f"The best remaining row need not be the best of all{by_settings}.",
        remedy,
        tuple(rows),
    )


def undefined(context: CheckContext) -> Diagnostic | None:
    """Warn where rows have a number on test that is NaN or infinite: they are not compared by it."""
    rows_by_measure: dict[str, list[int]] = {}
    for measure in context.record.detailed:
        for row, evidence in context.study.test.items():
            sample = evidence.sample(measure)
            if sample and not np.isfinite(sample.values).all():
                rows_by_measure.setdefault(context.record.compared(measure), []).append(row)
    if not rows_by_measure:
        return None
    facts = listed([f"{title} of {which(rows)}" for title, rows in rows_by_measure.items()])
    return Diagnostic(
        "UNDEFINED_ON_TEST",
        f"{sentence(facts)} is NaN or infinite for some trial.",
        "Such a row has no mean and is not compared; the code may have failed on these examples.",
        "Look at the examples of these rows; return a number for each, or leave the example out in all rows.",
        tuple(sorted({row for rows in rows_by_measure.values() for row in rows})),
    )


def _one_training(context: CheckContext) -> list[tuple[int, ...]]:
    """Return the groups of finished rows that have different settings and the same ids of trials."""
    rows_by_id: dict[str, list[int]] = {}
    for row, finished in context.finished.items():
        for trial, _ in finished:
            rows_by_id.setdefault(context.record.trial_key(trial), []).append(row)
    groups = dict.fromkeys(tuple(rows) for rows in rows_by_id.values())
    return [group for group in groups if len({context.grid.rows[row - 1] for row in group}) > 1]


def _rows_text(groups: Iterable[tuple[int, ...]]) -> str:
    """Return groups of rows as text: "rows 1 and 2 and rows 4 and 5"."""
    return listed([f"rows {listed(group)}" for group in groups])


def not_ablated(context: CheckContext) -> Diagnostic | None:
    """Report rows that state different settings and had the same in the trainer: one row under two names.

    This is an error even without --strict.
    """
    one_id = _one_training(context)
    same_inputs = [group for group in context.study.identical_rows if not any({*group} <= {*ids} for ids in one_id)]
    if not one_id and not same_inputs:
        return None
    facts = [
        f"{_rows_text(one_id)} have different settings, which mean the same inputs: they are one training"
        if one_id
        else "",
        f"{_rows_text(same_inputs)} have different settings, but they all had the same network, weights, optimizer, "
        "batches, validation images and test images"
        if same_inputs
        else "",
    ]
    rows = sorted({row for group in (*one_id, *same_inputs) for row in group})
    return Diagnostic(
        "NOT_ABLATED",
        f"{sentence('; '.join(filter(None, facts)))}.",
        "The factor in which these rows differ has no effect here, so the difference between them means nothing.",
        "Check whether the factor acts on these data (class weights do not if classes are balanced), or drop a row.",
        tuple(rows),
    )


def mixed(context: CheckContext) -> Diagnostic | None:
    """Warn where trials ran in environments that differ in what changes bits: processor, threads, device, versions."""
    results = [
        (row, result)
        for row, finished in context.finished.items()
        for trial, result in finished
        if not context.record.is_imported(trial)
    ]
    names = sorted({name for _, result in results for name in result.environment} - set(RECORDED))
    environments = [
        (row, tuple(str(result.environment.get(name, "not known")) for name in names)) for row, result in results
    ]
    kinds: Counter[Hashable] = Counter(environment for _, environment in environments)
    if len(kinds) < 2:
        return None
    usual = kinds.most_common(1)[0][0]
    rows = sorted({row for row, environment in environments if environment != usual})
    differing = []
    for position, name in enumerate(names):
        values = sorted({environment[position] or "unset" for _, environment in environments})
        if len(values) > 1:
            differing.append(f"{name} ({', '.join(values[:MANY])})")
    return Diagnostic(
        "MIXED_ENVIRONMENT",
        f"The trials ran in {len(kinds)} environments, which differ in {listed(differing)}; "
        f"{which(rows, 'was', 'were')} not trained in the most frequent one.",
        "Another processor, number of threads or version changes the last bits, so a small part of a difference "
        "between rows can come from this.",
        "For bit-identical results, run the study in a new --workspace on one kind of machine with one kind of slot.",
        tuple(rows),
    )


def mixed_sources(context: CheckContext) -> Diagnostic | None:
    """Warn where some trials were imported, and others trained by the study's experiment."""
    imported = {
        row: [trial for trial, _ in finished if context.record.is_imported(trial)]
        for row, finished in context.finished.items()
    }
    rows = [row for row, trials in imported.items() if trials]
    if not rows:
        return None
    partial = [row for row in rows if len(imported[row]) < len(context.finished[row])]
    partial_text = f" Seeds of {which(partial)} are of both kinds." if partial else ""
    return Diagnostic(
        "MIXED_SOURCES",
        f"{sentence(which(rows, 'was', 'were'))} imported from {context.record.imports.source}; the other trials were "
        f"trained by this study.{partial_text}",
        "Code, data, hardware and versions of the imported runs are not known, so a difference between an imported and "
        "a trained row may be theirs. Imported test numbers were known before the selection.",
        "Compare imported rows with each other, or train all rows here: remove [import], and pass another --name.",
        tuple(rows),
    )


def nondeterministic(context: CheckContext) -> Diagnostic | None:
    """Warn where rows were trained on a GPU without op determinism.

    JAX computes the same bits each time on GPUs; TensorFlow's op determinism is not turned on.
    """
    devices_by_row = {
        row: {r.environment.get("device", "cpu") for _, r in group if not r.environment.get("deterministic")} - {"cpu"}
        for row, group in context.finished.items()
    }
    rows = [row for row, devices in devices_by_row.items() if devices]
    if not rows:
        return None
    devices = sorted({str(device) for group in devices_by_row.values() for device in group})
    return Diagnostic(
        "NONDETERMINISTIC",
        f"{sentence(which(rows, 'was', 'were'))} trained on a GPU ({listed(devices)}) without op determinism.",
        "The same trial, run again, gives slightly different numbers, and rows of one training share its randomness.",
        "Treat differences as real only if they exceed those between seeds; on a CPU, numbers are bit-identical.",
        tuple(rows),
    )
