"""Folds as replicates: what a training is given of them, their part of its id, and the warning about them."""

from typing import Any

from ablation.analysis.check_context import CheckContext
from ablation.model.diagnostic import Diagnostic
from ablation.study.fold_keys import FoldKeys
from ablation.study.grid import Grid


def of_training(folds: FoldKeys | None, seed: int) -> dict[str, Any]:
    """Return the fold and the repeat of a training, and the keys of [folds]; None without folds."""
    fold, repeat = folds.place(seed) if folds else (None, None)
    return {"fold": fold, "repeat": repeat, "folds": folds.model_dump() if folds else None}


def digests(grid: Grid) -> dict[str, str]:
    """Return what decides the examples of a fold, as an input of all trainings; {} without folds."""
    return {"folds": grid.folds.identity} if grid.folds else {}


def overlapping(context: CheckContext) -> Diagnostic | None:
    """Warn where the replicates are folds, whose training sets overlap."""
    if context.grid.replication != "folds":
        return None
    return Diagnostic(
        "FOLDS",
        f"The replicates are {len(context.grid.seeds)} folds, whose training sets overlap.",
        "Intervals and tests of differences are widened for that (Nadeau & Bengio 2003); they are approximate.",
        "Report them as approximate; repeat the folds with other splits to make them more certain.",
    )
