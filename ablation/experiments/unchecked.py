"""Warning about promises of a user's experiment that a table relies on, and that nobody has tested."""

from collections.abc import Mapping

from ablation.analysis.check_context import CheckContext
from ablation.engine import attempts
from ablation.model.diagnostic import Diagnostic
from ablation.store import code, promises
from ablation.store.record import Record
from ablation.store.workspace import Workspace

WORDS: Mapping[str, str] = {
    promises.SHARES: "several rows are read off one training",
    promises.RESUME: "trainings were resumed after an interruption",
}


def promises_of(workspace: Workspace, record: Record) -> dict[str, str]:
    """Return the promises that a study relies on, and that no check has shown to hold.

    Each has the state of the last check of this code; "" where there was none.
    """
    keys = record.grid.experiment_keys
    folders = {key: workspace.training(key) for key in map(record.training_key, record.grid.trials())}
    done = [folder for folder in folders.values() if folder.results()]
    relied = [promises.SHARES] if keys and keys.shares else []
    if any(attempt.saved for folder in done for attempt in attempts.read(folder)):
        relied.append(promises.RESUME)
    digests = code.of_training(done[0]) if done else {}
    experiment = record.grid.factors.experiment
    states = {promise: promises.state(workspace, experiment, promise, digests) for promise in relied}
    return {promise: state for promise, state in states.items() if state != promises.GOOD}


def unchecked(context: CheckContext) -> Diagnostic | None:
    """Warn where the table relies on a promise that was not tested."""
    missing: dict[str, str] = context.examined.unchecked
    if not missing:
        return None
    facts = " and ".join(WORDS[promise] for promise in missing)
    tested = "which no check of this code has tested"
    if promises.BAD in missing.values():
        tested = "and ablate check has shown that this code does not allow it"
    return Diagnostic(
        "UNCHECKED",
        f"{facts[:1].upper()}{facts[1:]}, {tested}.",
        "A row may differ from the same row trained alone and without interruption.",
        "Test it by a few trials: ablate check.",
        (),
    )
