"""Warning about rows that gave the same results, bit for bit: their factor may never act."""

from typing import Any

from ablation.analysis.check_context import CheckContext
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, which
from ablation.store.result import Result
from ablation.study.levels import text


def _content(result: Result) -> Any:
    """Return all that a result shows of a training's course; times and costs may differ."""
    history = [{name: value for name, value in step.items() if name != "time"} for step in result.history]
    return text([history, result.scores, result.predictions])


def equal_rows(context: CheckContext) -> list[list[int]]:
    """Return groups of rows whose trials gave equal results with each common seed.

    Rows of a few rounded numbers alone may be equal by chance: they are left out.
    """
    content = {
        row: {trial.seed: _content(result) for trial, result in finished}
        for row, finished in context.finished.items()
        if any(result.history or result.predictions for _, result in finished)
    }
    groups: list[list[int]] = []
    for row, of_row in content.items():
        for group in groups:
            first = content[group[0]]
            common = first.keys() & of_row.keys()
            if common and all(first[seed] == of_row[seed] for seed in common):
                group.append(row)
                break
        else:
            groups.append([row])
    return [group for group in groups if len(group) > 1]


def no_effect(context: CheckContext) -> Diagnostic | None:
    """Warn where rows gave the same results."""
    groups = equal_rows(context)
    if not groups:
        return None
    grid = context.grid
    factors = {
        factor for group in groups for factor in grid.varying
        if len({text(grid.rows[row - 1][factor]) for row in group}) > 1
    }  # fmt: skip
    rows = tuple(sorted(row for group in groups for row in group))
    named = [grid.titles[factor] for factor in grid.varying if factor in factors]
    facts = " and ".join(f"{which(group)} gave the same results, bit for bit" for group in groups)
    return Diagnostic(
        "NO_EFFECT",
        f"{facts[:1].upper()}{facts[1:]}: {listed(named)} changed nothing.",
        "Either the factor has no effect, or the code never uses it.",
        "Look where the code reads it; ablate check tries each factor.",
        rows,
    )
