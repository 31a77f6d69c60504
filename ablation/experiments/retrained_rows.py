"""Warning about rows whose results another study has replaced since this study was run."""

from ablation.analysis.check_context import CheckContext
from ablation.experiments.user_code import UserCode
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, sentence, which
from ablation.store import aliases, retrained
from ablation.store.record import Record
from ablation.store.workspace import Workspace


def rows(workspace: Workspace, record: Record) -> tuple[int, ...]:
    """Return the rows of which a training was repeated since the study was run."""
    noted = retrained.read(workspace.study(record.name)).keys
    if not noted:
        return ()
    renamed = aliases.read(workspace)
    keys = {renamed.get(key, key) for key in noted}
    return tuple(sorted({trial.row for trial in record.grid.trials() if record.training_key(trial) in keys}))


def retrained_rows(context: CheckContext) -> Diagnostic | None:
    """Warn where another study has trained rows again, with changed code."""
    facts: UserCode = context.examined
    if not facts.retrained:
        return None
    studies = listed(facts.studies)
    return Diagnostic(
        "RETRAINED",
        f"{sentence(which(facts.retrained, 'was', 'were'))} trained again with changed code after the last run of this "
        f"study, by study {studies}.",
        "Selection and tables of the last run were made with results that are replaced; printed ones do not verify.",
        "Run this study again: ablate run.",
        facts.retrained,
    )
