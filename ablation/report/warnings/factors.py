"""Warnings about which effects of factors the rows of the design can and cannot show."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ablation.analysis import effects
from ablation.analysis.check_context import CheckContext
from ablation.analysis.selection_bootstrap import updates
from ablation.analysis.study_statistics import CONDITIONS, CONDITIONS_A_LEVEL, can_weigh, per_level
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, plural
from ablation.study import design
from ablation.study.levels import short, worded

FEW_LEVELS = 4  # levels of a factor, up to which they are listed one by one
NUMERIC = (int, float)


def incomplete(context: CheckContext) -> Diagnostic | None:
    """Warn where the study does not have all combinations of its levels."""
    n_cells, n_rows = design.cells(context.grid), len(context.grid.rows)
    if n_rows >= n_cells:
        return None
    return Diagnostic(
        "INCOMPLETE_GRID",
        f"The grid has {n_rows:,} of the {n_cells:,} combinations of its levels.",
        "An effect is known only for the combinations that were run; for others it is assumed.",
        "Run the missing combinations ([factorial]), or claim only differences between rows that differ in one factor.",
    )


def _rows_per_level(context: CheckContext, factor: str) -> Counter[Any]:
    """Return level -> number of rows with that level that have a finished trial; 0 where all its rows failed."""
    counts = Counter(dict.fromkeys(design.levels(context.grid, factor), 0))
    counts.update(getattr(context.grid.rows[row - 1], factor) for row in context.finished)
    return counts


def _counts_text(context: CheckContext, factor: str) -> str:
    """Return a factor with its rows per level as text: "batch size (256: 6, 128: 3)"."""
    counts = _rows_per_level(context, factor)
    if len(counts) > FEW_LEVELS:
        return f"{worded(factor)} ({len(counts)} levels, {min(counts.values())} to {max(counts.values())} rows each)"
    ordered = [level for level in design.levels(context.grid, factor) if level in counts]
    return f"{worded(factor)} ({', '.join(f'{short(factor, x)}: {counts[x]}' for x in ordered)})"


def unbalanced(context: CheckContext) -> Diagnostic | None:
    """Warn where the levels of a factor occur in unequal numbers of rows."""
    factors = [factor for factor in context.grid.varying if len(set(_rows_per_level(context, factor).values())) > 1]
    if not factors:
        return None
    return Diagnostic(
        "UNBALANCED",
        f"Levels occur in unequal numbers of rows: {listed(_counts_text(context, f) for f in factors)}.",
        "The mean of all rows with one level mixes in the levels of the other factors.",
        "Compare pairs of rows that differ in one factor, not means over the rows of a level.",
    )


def not_estimable(context: CheckContext) -> Diagnostic | None:
    """Warn where the design confounds main effects, or where rows for an interaction are missing."""
    analysis = context.study.analysis
    main_effects = {e.factor: e.reason for e in analysis.effects if e.reason == effects.CONFOUNDED}
    interactions = [i for i in analysis.interactions if i.reason and i.reason != effects.TOO_MANY]
    parts = [f"{worded(f)} ({reason.removeprefix('not estimable: ')})" for f, reason in main_effects.items()]
    parts += [
        f"{worded(i.factors[0])} with {worded(i.factors[1])} ({i.reason.removeprefix('not estimable: ')})"
        for i in interactions
    ]
    if not parts:
        return None
    totals = [
        f"{len(main_effects)} of {plural(len({e.factor for e in analysis.effects}), 'main effect')}"
        if main_effects
        else "",
        f"{len(interactions)} of {plural(len(analysis.interactions), 'interaction')}" if interactions else "",
    ]
    return Diagnostic(
        "NOT_ESTIMABLE",
        f"{' and '.join(filter(None, totals))} cannot be estimated: {listed(parts)}.",
        "For these, main effects assume that one factor's effect does not depend on the other's level."
        if interactions
        else "The effect of such a factor cannot be separated from that of another.",
        "Add the named rows, or claim an effect only at the levels at which it was measured.",
    )


def saturated(context: CheckContext) -> Diagnostic | None:
    """Warn where a model of main effects has as many parameters as there are rows.

    A study with one varying factor has no such model: its effects are differences between rows.
    """
    main_effects = context.study.analysis.effects
    if len(context.grid.varying) < 2 or not any(e.reason == effects.SATURATED for e in main_effects):
        return None
    n_rows = sum(evidence.split == context.record.reference_split for evidence in context.study.test.values())
    parameters_text, rows_text = plural(len(main_effects) + 1, "parameter"), plural(n_rows, "row")
    return Diagnostic(
        "SATURATED",
        f"A model of main effects has {parameters_text} for {rows_text}: no degree of freedom is left for the error.",
        "Such a model fits any numbers exactly; main effects are not reported.",
        "Add rows that change two factors at once, or compare pairs of rows.",
    )


def _is_ordered(context: CheckContext, factor: str) -> bool:
    """Return whether all levels of a factor are numbers; True and False are none."""
    levels = [getattr(row, factor) for row in context.grid.rows]
    return all(isinstance(level, NUMERIC) and not isinstance(level, bool) for level in levels)


def _best_row(context: CheckContext) -> int | None:
    """Return the selected row; before a selection, the best row on validation."""
    if context.study.sealed:
        return context.study.sealed.row
    measure, finished = context.record.selected_by or context.record.primary, context.finished.items()
    scores = {r: [x.scores.get("val", {}).get(measure.name) for _, x in per_seed] for r, per_seed in finished}
    means = {
        r: sum(v for v in per_seed if v is not None) / len(per_seed)
        for r, per_seed in scores.items()
        if None not in per_seed
    }
    return (min if measure.lowest else max)(means, key=means.__getitem__, default=None)


def _edge(context: CheckContext, factor: str, level: Any) -> str:
    """Return "lowest" or "highest" for a level at that end of the levels.

    Returns "" for a level between the ends, and where the factor allows no level beyond that end.
    """
    levels = {getattr(row, factor) for row in context.grid.rows}
    lowest, highest = _bounds(context.grid.factors.by_name[factor].declared)
    if level == min(levels):
        return "" if level <= lowest else "lowest"
    return "highest" if level == max(levels) and level < highest else ""


def _bounds(declared: Mapping[str, Any]) -> tuple[float, float]:
    """Return the lowest and the highest level that a factor allows, infinite where there is none.

    A whole number that is not described in more detail is a count, from 1.
    """
    step = 1 if declared.get("type") == "integer" else 0  # to the first whole number inside an exclusive bound
    lowest = declared.get("minimum", declared.get("exclusiveMinimum", -math.inf) + step)
    highest = declared.get("maximum", declared.get("exclusiveMaximum", math.inf) - step)
    return lowest, highest


def boundary(context: CheckContext) -> Diagnostic | None:
    """Warn where the best row has the lowest or highest level of a factor.

    Studies with labelled rows, which remove components, get no warning: such studies do not search a range of levels.
    """
    row = _best_row(context)
    if row is None or any(context.grid.labels):
        return None
    levels = {f: getattr(context.grid.rows[row - 1], f) for f in context.grid.varying if _is_ordered(context, f)}
    edges = {factor: edge for factor, level in levels.items() if (edge := _edge(context, factor, level))}
    if not edges:
        return None
    beyond = [f"{worded(f)} {'below' if edge == 'lowest' else 'above'} {short(f, levels[f])}"
              for f, edge in edges.items()]  # fmt: skip
    return Diagnostic(
        "BOUNDARY",
        f"Row {row}, {'the selected one' if context.study.sealed else 'the best on validation'}, is at the edge "
        "of the levels that were tried: "
        f"{listed(f'{worded(f, levels[f])} ({edge})' for f, edge in edges.items())}.",
        "A better level may lie beyond the edge.",
        f"Try {listed(beyond)}, or state that the range was not searched further.",
        (row,),
    )


def batch_confounded(context: CheckContext) -> Diagnostic | None:
    """Warn where the batch size, and thus the number of updates, varies at equal epochs."""
    if not all(hasattr(condition, "epochs") and hasattr(condition, "batch_size") for condition in context.grid.rows):
        return None
    by_epochs: dict[int, dict[int, int]] = {}
    for row_number, condition in enumerate(context.grid.rows, start=1):
        by_epochs.setdefault(condition.epochs, {}).setdefault(condition.batch_size, row_number)
    comparable = {epochs: batches for epochs, batches in by_epochs.items() if len(batches) > 1}
    if not comparable:
        return None
    epochs = context.grid.rows[context.grid.reference - 1].epochs
    epochs = epochs if epochs in comparable else min(comparable)
    small, large = min(comparable[epochs]), max(comparable[epochs])
    fewer_updates, more_updates = (updates(context.record, comparable[epochs][batch]) for batch in (large, small))
    if fewer_updates == more_updates:
        return None
    return Diagnostic(
        "BATCH_CONFOUNDED",
        f"In {plural(epochs, 'epoch')}, batch size {small} makes {more_updates:,} updates, "
        f"and batch size {large} makes {fewer_updates:,}.",
        "A difference between batch sizes can come from the number of updates, or from a learning rate that suits one "
        "of them.",
        "Tune the learning rate for each batch size, or compare at equal numbers of updates.",
    )


def unimportant(context: CheckContext) -> Diagnostic | None:
    """Warn where there are too few distinct conditions to compute importances of factors.

    Optuna computes importances from as few as nine trials, without a warning.
    """
    trials = [t for finished in context.finished.values() for t, _ in finished]
    if not trials or len(context.grid.varying) < 2:
        return None
    if can_weigh(context.study.record, trials):
        return None
    (factor, level), fewest = min(per_level(context.record, trials).items(), key=lambda item: item[1])
    rare_level = f", {worded(factor, level)} in {fewest} of them" if fewest < CONDITIONS_A_LEVEL else ""
    n_conditions = len({trial.condition for trial in trials})
    seeds = f" ({plural(len(trials), 'trial')}: seeds do not count)" if len(trials) > n_conditions else ""
    return Diagnostic(
        "IMPORTANCE_SUPPRESSED",
        f"{plural(n_conditions, 'combination of levels has', 'combinations of levels have')} a result{seeds}"
        f"{rare_level}; importances of factors need {CONDITIONS} combinations, and {CONDITIONS_A_LEVEL} of each level.",
        "With fewer, importances depend on a few combinations, and change with noise; none are reported.",
        "Read the one-factor contrasts; do not quote importances that Optuna's dashboard shows for this study.",
    )
