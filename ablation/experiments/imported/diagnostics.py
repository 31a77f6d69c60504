"""Warnings about imported results: settings that vary beside the factors, runs without seeds, and folds."""

from ablation.analysis.check_context import CheckContext
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, plural, which

SHOWN = 4  # settings that a sentence names


def confounded(context: CheckContext) -> Diagnostic | None:
    """Warn where settings that are no factors differ between rows."""
    reference, settings = context.grid.reference, context.record.inputs.confounded
    apart = {
        name: [row for row, values in rows.items() if values != rows.get(reference)] for name, rows in settings.items()
    }
    apart = {name: rows for name, rows in apart.items() if rows}
    if not apart:
        return None
    shown = [f"{name} ({which(rows)})" for name, rows in list(apart.items())[:SHOWN]]
    more = f", and {len(apart) - SHOWN} more" if len(apart) > SHOWN else ""
    differ = "differs" if len(apart) == 1 else "differ"
    return Diagnostic(
        "CONFOUNDED",
        f"{plural(len(apart), 'setting')} {differ} from the reference beside the factors: {listed(shown)}{more}.",
        "A difference between these rows and the reference may be theirs, not the factors'.",
        "Make such a setting a factor, compare rows that share it ([import] where), or list it in [import] ignore, "
        "where it cannot matter.",
        tuple(sorted({row for rows in apart.values() for row in rows})),
    )


def unpaired(context: CheckContext) -> Diagnostic | None:
    """Warn where the source states no seeds, so that rows are compared unpaired."""
    n_runs, n_rows = context.record.inputs.n_runs, len(context.grid.rows)
    if context.grid.replication != "runs" or n_runs <= n_rows:
        return None
    return Diagnostic(
        "UNPAIRED",
        f"The source states no seeds: {plural(n_runs, 'run')} are repeats of {plural(n_rows, 'row')}.",
        "What varied between repeats is not known. They may share a seed, or be steps of one run.",
        "Name the column of seeds ([import] seed), if there is one; otherwise state what the repeats are.",
    )


def folds(context: CheckContext) -> Diagnostic | None:
    """Warn where the replicates are folds, whose training sets overlap."""
    if context.grid.replication != "folds":
        return None
    return Diagnostic(
        "FOLDS",
        f"The replicates are {len(context.grid.seeds)} folds, whose training sets overlap.",
        "Intervals and tests of differences are widened for that (Nadeau & Bengio 2003); they are approximate.",
        "Report them as approximate; repeat the folds with other splits to make them more certain.",
    )


def validation_only(context: CheckContext) -> Diagnostic | None:
    """Warn where numbers on validation stand for those on test."""
    if not context.record.inputs.of_validation:
        return None
    return Diagnostic(
        "VALIDATION_ONLY",
        "The source has no test numbers: all numbers, differences and p values are on validation.",
        "Validation may have chosen settings or steps, and then its numbers are too good.",
        "Evaluate the rows on test once; until then, say that the table is on validation.",
    )
