"""Warnings about how far chance moves the numbers: the seeds, and the images of a split."""

import math
from statistics import variance

from ablation.analysis.check_context import CheckContext
from ablation.analysis.unpaired import OVER_SEEDS, OVER_SETTINGS
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import percent, plural, sentence, which
from ablation.report.tables.dataframes import over, validation_units
from ablation.report.tables.methods import FOLDS
from ablation.statistics.intervals import ALPHA
from ablation.study.table_keys import BOTH, SEEDS

SURE = 0.9  # share of bootstrap samples of validation in which the selected row should be the best
OVER_TRAININGS = (SEEDS, BOTH, OVER_SEEDS, OVER_SETTINGS, FOLDS)  # units whose p values include other trainings
ERRORS = 2  # standard errors of a difference, from the seeds: a smaller claimed difference is doubtful


def _units(context: CheckContext) -> str:
    """Return the units of the intervals of rows with one seed, in words: "images", "groups of images"."""
    units = {facts.primary.over for facts in context.study.analysis.rows.values() if facts.n_seeds == 1}
    return over(context.record, "groups" if "groups" in units else "examples")


def single_seed(context: CheckContext) -> Diagnostic | None:
    """Warn where a row has one finished trial only, so one seed."""
    rows = [row for row, trials in context.finished.items() if len(trials) == 1]
    if not rows:
        return None
    if context.grid.is_imported:  # imported runs, which need not be trainings
        fact, remedy = "has one run|have one run", "Repeat the rows with other seeds before you call a setting better."
    elif (keys := context.grid.experiment_keys) and not keys.takes_seed:
        fact = "has one run|have one run"
        remedy = "Add {seed} to the command and run with --seeds 5, before you call a setting better."
    else:
        fact = "was trained with one seed|were trained with one seed"
        if context.record.run_noun == "run":
            fact = "ran with one seed|ran with one seed"
        remedy = (
            "Run with --seeds 5, or at least repeat the reference (--replicate-reference 5), before you call a setting "
            "better."
        )
    return Diagnostic(
        "SINGLE_SEED",
        f"{sentence(which(rows, *fact.split('|')))}.{_replicates_text(context)}",
        _interval_scope(context),
        remedy,
        tuple(rows),
    )


def _replicates_text(context: CheckContext) -> str:
    """Return a sentence on the range of the reference's replicates on test; "" where there are none."""
    noise, primary = context.study.analysis.noise, context.record.primary
    if not noise:
        return ""
    noun = "accuracies" if primary.name == "accuracy" else f"values of {primary.title}"
    return (
        f" The reference, trained with {plural(len(noise.values), 'more seed')}, has {context.record.held_out} {noun} "
        f"from {primary.compact(min(noise.values))} to {primary.compact(max(noise.values))}."
    )


def _interval_scope(context: CheckContext) -> str:
    """Return a sentence on what the intervals and tests of one seed refer to."""
    rows = context.study.analysis.rows.values()
    if rows and not any(facts.primary.over_examples for facts in rows):
        return "There are no intervals and no tests: another seed can change these numbers by more than they differ."
    return (
        f"Intervals and tests are over {_units(context)}: they describe these {context.record.trained}, not the "
        "settings; another seed can change the numbers further."
    )


def _deviation(context: CheckContext) -> float | None:
    """Return the standard deviation of the primary measure on test between seeds.

    The deviation is pooled over all rows, and the replicates of the reference, that have more than one seed.
    Returns None where there are no such rows or replicates.
    """
    all_evidence = [*context.study.test.values(), *filter(None, [context.study.replicates])]
    samples = [sample for evidence in all_evidence if (sample := evidence.sample(context.record.primary))]
    replicated = [sample.values.tolist() for sample in samples if len(sample.seeds) > 1]
    dof = sum(len(values) - 1 for values in replicated)
    return (sum((len(values) - 1) * variance(values) for values in replicated) / dof) ** 0.5 if dof else None


def _claims(context: CheckContext) -> dict[tuple[int, int], float]:
    """Return the differences that a table marks as significant: pair of rows -> absolute difference.

    The pairs are rows with the reference, and rows that differ in one factor. Tests over seeds are left out: their p
    values include the differences between seeds. Tests over folds or runs do too.
    """
    analysis, reference = context.study.analysis, context.grid.reference
    differences = [((row, reference), facts.delta) for row, facts in analysis.rows.items() if facts.delta]
    differences += [((c.pair.first, c.pair.second), c.difference) for c in analysis.contrasts]
    over_examples = [(rows, d) for rows, d in differences if d.p_holm < ALPHA and d.over not in OVER_TRAININGS]
    return {(min(rows), max(rows)): abs(d.value.value) for rows, d in over_examples}


def _standard_error(context: CheckContext, rows: tuple[int, int], deviation: float) -> float:
    """Return the standard error of the difference of two rows' means over their seeds.

    A difference is computed from the seeds that both rows have, or from all where they have none in common.
    """
    first, second = (set(context.study.test[row].seeds) for row in rows)
    n_common = len(first & second)
    sizes = (n_common, n_common) if n_common else (len(first), len(second))
    return deviation * math.sqrt(sum(1 / n for n in sizes))


def seed_noise(context: CheckContext) -> Diagnostic | None:
    """Warn where a significant difference over examples is less than twice its standard error from the seeds."""
    deviation, claims = _deviation(context), _claims(context)
    errors = {rows: _standard_error(context, rows, deviation) for rows in claims} if deviation else {}
    doubtful = {rows: claims[rows] for rows, error in errors.items() if claims[rows] < ERRORS * error}
    if not deviation or not doubtful:
        return None
    (first, second), smallest = min(doubtful.items(), key=lambda item: item[1])
    primary = context.record.primary
    claims_text = plural(len(claims), "significant difference")
    return Diagnostic(
        "SEED_NOISE",
        f"Between seeds, {context.record.compared(primary)} has a standard deviation of {primary.size(deviation, 2)}; "
        f"{len(doubtful)} of {claims_text} over {context.record.noun}s {'is' if len(doubtful) == 1 else 'are'} below "
        f"twice the standard error that the seeds give it, the smallest {primary.size(smallest, 2)} (rows {first} and "
        f"{second}, standard error {primary.size(errors[first, second], 2)}).",
        "A difference of this size can come from the seeds alone: the test does not include them.",
        "Run more seeds of these rows, or do not claim these differences.",
        tuple(sorted({row for rows in doubtful for row in rows})),
    )


def within_noise(context: CheckContext) -> Diagnostic | None:
    """Warn where validation does not separate the selected row from other rows, or does so only by chance."""
    sealed, stability = context.study.sealed, context.study.analysis.stability
    if not sealed or not sealed.row or not stability:
        return None
    noun, primary = context.record.noun, context.record.primary
    others, share = [row for row in stability.not_different if row != sealed.row], stability.shares[sealed.row]
    if not others and share >= SURE:
        return None
    alike_text = f"; on validation, {which(others, 'does', 'do')} not differ significantly from it" if others else ""
    cheapest = "the selected row" if stability.cheapest == sealed.row else f"row {stability.cheapest}"
    return Diagnostic(
        "WITHIN_NOISE",
        f"Row {sealed.row} was selected; it is best in {percent(share)} of bootstrap samples of the "
        f"{validation_units(context.record, stability)}{alike_text}.",
        f"The choice is partly luck: the validation {primary.title} of {primary.compact(stability.value)} is "
        f"{primary.compact(stability.corrected)} when corrected for it.",
        f"Do not call one of these rows better than another; {cheapest} is the cheapest of them."
        if others
        else f"More validation {noun}s or more seeds would make the choice more certain.",
        tuple(sorted(stability.not_different)),
    )
