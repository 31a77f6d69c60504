"""Warnings about imported results: settings that vary with the factors, runs without seeds, folds, and searches."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ablation.analysis.check_context import CheckContext
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, plural, sentence, which
from ablation.outcomes import Status
from ablation.study import design
from ablation.study.levels import short

SHOWN = 4  # settings that a sentence names
MANY_RUNS, TIMES = 10, 4  # runs of a row or level, and times as many as of another, that look like a search


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
        f"{plural(len(apart), 'setting')} {differ} from the reference in addition to the factors: "
        f"{listed(shown)}{more}.",
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


def adaptive_search(context: CheckContext) -> Diagnostic | None:
    """Warn where the runs are of a search, or look like one: it has more runs where results are good."""
    pruned = [t.row for t, r in context.study.results.items() if r and r.outcome is Status.PRUNED]
    facts = [*_search(context), *_pruned(context, pruned), *_uneven(context)]
    if not facts:
        return None
    kept = "; of rows with pruned runs, only the better ones count" if pruned else ""
    return Diagnostic(
        "ADAPTIVE_SEARCH",
        f"{sentence('; '.join(facts))}.",
        f"Such runs are no design: a search has more of them where results are good, so that means of levels are "
        f"biased{kept}.",
        "Let the search choose settings; compare rows that were trained anew, with the same seeds and settings.",
        tuple(sorted(set(pruned))),
    )


def _search(context: CheckContext) -> Iterator[str]:
    if context.record.inputs.is_search:
        yield "the runs are trials of a search, whose sampler is not stored: all but random ones and grids are adaptive"


def _pruned(context: CheckContext, rows: list[int]) -> Iterator[str]:
    if rows:
        verb = "was" if len(rows) == 1 else "were"
        yield f"{len(rows):,} of {plural(len(context.study.results), 'run')} {verb} pruned ({which(rows)})"


def _uneven(context: CheckContext) -> Iterator[str]:
    """Yield where numbers of runs differ strongly: between rows without seeds, or between levels of a search."""
    grid, trials = context.grid, list(context.study.results)
    of_rows = Counter(trial.row for trial in trials)
    if grid.replication == "runs" and _differ(of_rows):
        (most, n_most), *_, (least, n_least) = of_rows.most_common()
        yield f"numbers of runs differ strongly, from {n_least:,} (row {least}) to {n_most:,} (row {most})"
    elif not design.pairs(grid, list(of_rows)):
        for factor in grid.varying:
            of_levels = Counter(getattr(trial.condition, factor) for trial in trials)
            if _differ(of_levels):
                (most_level, n_most), *_, (least_level, n_least) = of_levels.most_common()
                ends = f"{n_least:,} with {short(factor, least_level)} and {n_most:,} with {short(factor, most_level)}"
                yield f"numbers of runs by {grid.titles[factor]} differ strongly: {ends}"


def _differ(counts: Counter[Any]) -> bool:
    return max(counts.values()) >= max(MANY_RUNS, TIMES * min(counts.values())) and len(counts) > 1
