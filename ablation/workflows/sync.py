"""Workflow of `ablate sync`: send the results of a study that are missing in Optuna and MLflow."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from ablation.analysis.held_out import held_out
from ablation.report import build
from ablation.report.build import RenderOptions, Report
from ablation.store.workspace import Workspace
from ablation.trackers import databases, mlflow_sender, optuna_study
from ablation.trackers.local_copies import local_copies
from ablation.trackers.mlflow_runs import MlflowRuns
from ablation.trackers.mlflow_tracker import Tracker
from ablation.trackers.optuna_client import OptunaClient
from ablation.trackers.optuna_database import open_study
from ablation.workflows.publish import for_trackers


@dataclass(frozen=True)
class Synced:
    """Result of sending a study to Optuna and MLflow.

    Args:
        waiting: Number of messages that could not be sent now.
        reason: Why these messages could not be sent.
        waits_for_user: Whether a user must act first, as `reason` describes, because waiting alone does not help.
        refused: Sentence on the messages that MLflow refuses permanently; "" where there are none.
        optuna: Why Optuna's study could not be updated; "" where it is up to date.
    """

    study: str
    waiting: int
    reason: str
    waits_for_user: bool = False
    refused: str = ""
    optuna: str = ""

    @property
    def is_complete(self) -> bool:
        """True where both have all results."""
        return not (self.waiting or self.refused or self.optuna)


def sync(
    workspace: Workspace, name: str, uri: str | None, storage: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Synced:  # fmt: skip
    """Send the waiting messages of a study's outbox, and the results that are missing in Optuna and MLflow.

    Args:
        workspace: Workspace of the study.
        name: Name of the study.
        uri: Tracking URI of MLflow; None for the workspace's own database.
        storage: URL of Optuna's database; None for the workspace's own.
        say: Receives notes for the user.

    Raises:
        AblateError: A run is active in the workspace, or there is no such study.
    """
    databases.refuse_foreign_tracking(workspace, uri)
    databases.refuse_foreign_storage(workspace, storage)
    workspace.refuse_locked()
    with workspace.lock():
        drawing = build.rebuild(workspace, name, RenderOptions(importances=optuna_study.importances))
        with local_copies(workspace, say) as local:
            study = open_study(storage, local, drawing.study.record, say)
            optuna = OptunaClient(drawing.study.record, study)
            optuna.agree(for_trackers(drawing), held_out(workspace, drawing.study))
            synced = _mlflow(local, drawing, uri)
            optuna.close(math.inf)
        return replace(synced, optuna=optuna.error)


def sync_mlflow(workspace: Workspace, name: str, uri: str | None) -> Synced:
    """Send the results that are missing in MLflow alone; see `sync`."""
    databases.refuse_foreign_tracking(workspace, uri)
    workspace.refuse_locked()
    with workspace.lock(), local_copies(workspace, lambda text: None) as local:
        return _mlflow(local, build.rebuild(workspace, name, RenderOptions(importances=optuna_study.importances)), uri)


def _mlflow(workspace: Workspace, drawing: Report, uri: str | None) -> Synced:
    name = drawing.study.record.name
    tracker = Tracker(workspace.study(name).outbox, lambda: mlflow_sender.connect(workspace, uri, name))
    runs = MlflowRuns(drawing.study.record, tracker)
    try:
        runs.agree(for_trackers(drawing), held_out(workspace, drawing.study))
    finally:
        waiting = runs.close()
    return Synced(name, waiting, tracker.error, tracker.waits_for_user, tracker.refusal)
