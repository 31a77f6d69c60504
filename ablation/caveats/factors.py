"""What the rows of the grid can say of its factors."""

from collections import Counter
from typing import Any

from ablation.caveats.caveat import Caveat, listed, plural, worded
from ablation.caveats.known import Known
from ablation.grids import design
from ablation.grids.levels import short
from ablation.statistics.analysis import TRIALS, TRIALS_A_LEVEL, can_weigh
from ablation.statistics.stability import updates

FEW_LEVELS = 4  # of a factor: so many are listed one by one
NUMERIC = (int, float)
MIXED_UP, USED_UP = "never vary apart", "as many effects as rows"  # how analysis says why there is no effect


def incomplete(known: Known) -> Caveat | None:
    cells, rows = design.cells(known.grid), len(known.grid.rows)
    if rows >= cells:
        return None
    return Caveat(
        "INCOMPLETE_GRID",
        f"The grid has {rows:,} of the {cells:,} combinations of its levels.",
        "An effect is known only beside the levels that it was run with; for other combinations it is assumed.",
        "Run the combinations that lack ([factorial]), or speak of pairs of rows that differ in one factor.",
    )


def _levels(known: Known, factor: str) -> Counter[Any]:
    """Level -> how many rows that have a result."""
    return Counter(getattr(known.grid.rows[row - 1], factor) for row in known.finished)


def _counts(known: Known, factor: str) -> str:
    """Batch size (256: 6, 128: 3)."""
    found = _levels(known, factor)
    if len(found) > FEW_LEVELS:
        return f"{worded(factor)} ({len(found)} levels, {min(found.values())} to {max(found.values())} rows each)"
    order = [level for level in design.levels(known.grid, factor) if level in found]
    return f"{worded(factor)} ({', '.join(f'{short(factor, x)}: {found[x]}' for x in order)})"


def unbalanced(known: Known) -> Caveat | None:
    factors = [factor for factor in known.grid.varying if len(set(_levels(known, factor).values())) > 1]
    if not factors:
        return None
    return Caveat(
        "UNBALANCED",
        f"Levels stand in unequal numbers of rows: {listed(_counts(known, f) for f in factors)}.",
        "The mean of all rows with one level mixes in the levels of the other factors.",
        "Compare pairs of rows that differ in one factor, not means over the rows of a level.",
    )


def not_estimable(known: Known) -> Caveat | None:
    """Main effects that the design mixes up, and interactions for which rows lack."""
    analysis = known.findings.analysis
    mains = {e.factor: e.reason for e in analysis.effects if MIXED_UP in e.reason}
    pairs = [i for i in analysis.interactions if i.reason.startswith("not estimable")]
    parts = [f"{worded(f)} ({reason.removeprefix('not estimable: ')})" for f, reason in mains.items()]
    parts += [
        f"{worded(i.factors[0])} with {worded(i.factors[1])} ({i.reason.removeprefix('not estimable: ')})"
        for i in pairs
    ]
    if not parts:
        return None
    of = [
        f"{len(mains)} of {plural(len({e.factor for e in analysis.effects}), 'main effect')}" if mains else "",
        f"{len(pairs)} of {plural(len(analysis.interactions), 'interaction')}" if pairs else "",
    ]
    return Caveat(
        "NOT_ESTIMABLE",
        f"{' and '.join(filter(None, of))} cannot be estimated: {listed(parts)}.",
        "Whether one factor's effect depends on the other's level is not known there, and main effects assume that it "
        "does not."
        if pairs
        else "What such a factor does cannot be told from what another one does.",
        "Add the rows that are named, or claim an effect only at the levels at which it was measured.",
    )


def saturated(known: Known) -> Caveat | None:
    """One factor alone has no model: its effects are differences between rows."""
    effects = known.findings.analysis.effects
    if len(known.grid.varying) < 2 or not any(USED_UP in e.reason for e in effects):
        return None
    used = sum(answers.split == known.record.home for answers in known.findings.test.values())
    many, rows = plural(len(effects) + 1, "parameter"), plural(used, "row")
    return Caveat(
        "SATURATED",
        f"A model of main effects has {many} for {rows}: none is left over.",
        "Such a model fits any numbers, and nothing can contradict it; main effects are not given.",
        "Add rows that change two factors at once, or compare pairs of rows.",
    )


def _is_ordered(known: Known, factor: str) -> bool:
    return all(isinstance(getattr(row, factor), NUMERIC) for row in known.grid.rows)


def _best(known: Known) -> int | None:
    """The selected row; before a selection, the best on validation."""
    if known.findings.sealed:
        return known.findings.sealed.row
    primary, finished = known.record.primary, known.finished.items()
    stated = {r: [x.scores.get("val", {}).get(primary.name) for _, x in some] for r, some in finished}
    means = {r: sum(v for v in some if v is not None) / len(some) for r, some in stated.items() if None not in some}
    return (min if primary.lowest else max)(means, key=means.__getitem__, default=None)


def _edge(known: Known, factor: str, level: Any) -> str:
    """Which end of the levels it is; "" where it is none, or where nothing lies beyond."""
    levels = {getattr(row, factor) for row in known.grid.rows}
    least = known.grid.factors.by_name[factor].declared.get("minimum", 1)
    if level == min(levels):
        return "" if level <= least else "lowest"
    return "highest" if level == max(levels) else ""


def boundary(known: Known) -> Caveat | None:
    """Of rows that remove a component nothing is said: that is no search."""
    row = _best(known)
    if row is None or any(known.grid.labels):
        return None
    levels = {f: getattr(known.grid.rows[row - 1], f) for f in known.grid.varying if _is_ordered(known, f)}
    edges = {factor: edge for factor, level in levels.items() if (edge := _edge(known, factor, level))}
    if not edges:
        return None
    beyond = [f"{worded(f)} {'below' if edge == 'lowest' else 'above'} {short(f, levels[f])}"
              for f, edge in edges.items()]  # fmt: skip
    return Caveat(
        "BOUNDARY",
        f"Row {row}, {'the selected one' if known.findings.sealed else 'the best on validation'}, stands at the edge "
        "of what was tried: "
        f"{listed(f'{worded(f, levels[f])} ({edge})' for f, edge in edges.items())}.",
        "A better level may lie beyond the edge.",
        f"Try {listed(beyond)}, or say that the range was not searched further.",
        (row,),
    )


def batch_confounded(known: Known) -> Caveat | None:
    """The batch size varies at equal epochs, so the number of updates does."""
    if not all(hasattr(row, "epochs") and hasattr(row, "batch_size") for row in known.grid.rows):
        return None
    by_epochs: dict[int, dict[int, int]] = {}
    for number, row in enumerate(known.grid.rows, start=1):
        by_epochs.setdefault(row.epochs, {}).setdefault(row.batch_size, number)
    found = {epochs: batches for epochs, batches in by_epochs.items() if len(batches) > 1}
    if not found:
        return None
    epochs = known.grid.rows[known.grid.reference - 1].epochs
    epochs = epochs if epochs in found else min(found)
    small, large = min(found[epochs]), max(found[epochs])
    few, many = (updates(known.record, found[epochs][batch]) for batch in (large, small))
    if few == many:
        return None
    return Caveat(
        "BATCH_CONFOUNDED",
        f"In {plural(epochs, 'epoch')}, batch size {small} makes {many:,} updates, batch size {large} {few:,}.",
        "A difference between batch sizes can come from the number of updates, or from a learning rate that suits one "
        "of them.",
        "Tune the learning rate for each batch size, or compare at equal updates.",
    )


def unimportant(known: Known) -> Caveat | None:
    """Optuna computes importances of nine trials too, and says nothing."""
    trials = [t for some in known.finished.values() for t, _ in some]
    counts = Counter((f, getattr(t.condition, f)) for t in trials for f in known.grid.varying)
    if not trials or len(known.grid.varying) < 2:
        return None
    if can_weigh(known.findings.record, trials):
        return None
    (factor, level), fewest = min(counts.items(), key=lambda item: item[1])
    few = f", {worded(factor, level)} in {fewest} of them" if fewest < TRIALS_A_LEVEL else ""
    return Caveat(
        "IMPORTANCE_SUPPRESSED",
        f"{plural(len(trials), 'trial has', 'trials have')} a result{few}; importances of factors need {TRIALS}, and "
        f"{TRIALS_A_LEVEL} of each level.",
        "With fewer, importances depend on a few trials, and change with noise; none are given.",
        "Read the one-factor contrasts; do not quote importances that Optuna's dashboard shows for this study.",
    )
