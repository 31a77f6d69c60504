"""Warning about rows whose results were kept although the code of all of them has changed since."""

from collections.abc import Mapping

from ablation.analysis.check_context import CheckContext
from ablation.experiments.mixed_code import SHOWN, mixed_code
from ablation.experiments.user_code import UserCode
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, sentence, which
from ablation.store import code, result
from ablation.store.record import Record
from ablation.store.workspace import Workspace


def rows_by_path(workspace: Workspace, record: Record) -> dict[str, set[int]]:
    """Return path -> rows that were trained before the file changed, and were kept by the user's decision."""
    digests: Mapping[str, str] = record.inputs.code
    kept = set(record.kept_changes)
    rows: dict[str, set[int]] = {}
    for trial in record.grid.trials() if kept else ():
        folder = workspace.training(record.training_key(trial))
        if not result.is_done(folder, trial.step):
            continue
        for path, sha256 in code.of_training(folder).items():
            if code.change_key(path, sha256, digests.get(path)) in kept:
                rows.setdefault(path, set()).add(trial.row)
    return rows


def kept_code(context: CheckContext) -> Diagnostic | None:
    """Note where all rows ran code that has changed since. Where rows ran different code, MIXED_CODE says so."""
    facts: UserCode = context.examined
    kept = facts.kept
    if not kept or mixed_code(context):
        return None
    paths, rows = sorted(kept), tuple(sorted(set().union(*kept.values())))
    more = f", and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    were_trained = sentence(which(rows, "was trained", "were trained"))
    return Diagnostic(
        "KEPT_CODE",
        f"{were_trained} before {listed(paths[:SHOWN])}{more} changed; the results were kept (--code keep).",
        "The code as it is now need not give these numbers.",
        "If the change can matter, train all rows again: ablate run --code retrain.",
        rows,
    )
