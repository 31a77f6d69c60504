"""Checks of a command's options that need no input data: the first step of a run. Nothing is written."""

from collections.abc import Callable
from dataclasses import dataclass

from ablation.engine import plan
from ablation.errors import AblateError
from ablation.store import record as records
from ablation.store.record import Record
from ablation.store.upgrade import opened
from ablation.store.workspace import Workspace, check_name
from ablation.study.grid import Trial
from ablation.trackers import databases
from ablation.workflows.run_options import NO_TRACKERS, RunOptions


@dataclass(frozen=True)
class CheckedOptions:
    """Options that were checked, and what is stored of their study.

    `old`: record of the study's last run; None before the first. `missing`: trials without a result; None where the
    rows or seeds are not those of the last run.
    """

    options: RunOptions
    workspace: Workspace
    old: Record | None
    missing: tuple[Trial, ...] | None

    def missing_of(self, record: Record, is_stale: bool = False) -> list[Trial]:
        """Return the trials of a record without a result. `is_stale`: whether results were moved aside meanwhile."""
        if record == self.old and self.missing is not None and not is_stale:
            return list(self.missing)
        return plan.missing(self.workspace, record, record.grid.trials(), self.options.retry)


def refuse_wrong(options: RunOptions, say: Callable[[str], None]) -> None:
    """Raise AblateError where an option is wrong, or this machine does not support it. Nothing is read or written.

    Args:
        options: options of the command.
        say: receives notes for the user.
    """
    check_name(options.name)
    for note in options.grid.notes:
        say(f"note: {note}")
    _check_trackers(options)
    _check_artifacts(options)
    if refuse := getattr(options.experiment, "check", None):
        refuse(options.request())


def checked(options: RunOptions, say: Callable[[str], None]) -> CheckedOptions:
    """Return the options with what is stored of their study.

    Args:
        options: options of the command.
        say: receives notes for the user.

    Raises:
        AblateError: an option is wrong, or this machine does not support it.
    """
    refuse_wrong(options, say)
    workspace = opened(options.workspace, say)
    old = records.read(workspace.study(options.name))
    grid = options.grid.replicated(options.replicates or 0)
    is_same = old is not None and old.grid == grid
    missing = tuple(plan.missing(workspace, old, grid.trials(), options.retry)) if old and is_same else None
    return CheckedOptions(options, workspace, old, missing)


def _check_artifacts(options: RunOptions) -> None:
    """Raise AblateError where files are to be sent to MLflow, and deleted before a row is selected."""
    keys = options.grid.experiment_keys
    if keys and keys.artifacts and options.keep == "none" and options.trackers != NO_TRACKERS:
        raise AblateError(
            "--keep none deletes the files that [experiment] artifacts names before they can be sent to MLflow; leave "
            "one of the two out, or pass --trackers none"
        )


def _check_trackers(options: RunOptions) -> None:
    """Raise AblateError where a tracker's database cannot be used."""
    if options.trackers == NO_TRACKERS:
        return
    workspace = Workspace(options.workspace)
    databases.need_driver("--storage", options.storage)
    databases.need_driver("--tracking", options.tracking)
    databases.refuse_shared(workspace, options.storage, options.tracking)
