"""Workflow of `ablate sync`: send the results of a study that are missing in MLflow."""

from dataclasses import dataclass

from ablation.analysis.held_out import held_out
from ablation.report import build
from ablation.report.build import RenderOptions
from ablation.store.workspace import Workspace
from ablation.trackers import databases, mlflow_sender, optuna_study
from ablation.trackers.mlflow_runs import MlflowRuns
from ablation.trackers.mlflow_tracker import Tracker
from ablation.workflows.publish import for_trackers


@dataclass(frozen=True)
class Synced:
    """Result of sending a study to MLflow.

    Args:
        waiting: Number of messages that could not be sent now.
        reason: Why these messages could not be sent.
        waits_for_user: Whether a user must act first, as `reason` describes, because waiting alone does not help.
        refused: Sentence on the messages that MLflow refuses permanently; "" where there are none.
    """

    study: str
    waiting: int
    reason: str
    waits_for_user: bool = False
    refused: str = ""


def sync(workspace: Workspace, name: str, uri: str | None) -> Synced:
    """Send the waiting messages of a study's outbox, and the results that are missing in MLflow.

    Args:
        workspace: Workspace of the study.
        name: Name of the study.
        uri: Tracking URI of MLflow; None for the workspace's own database.

    Raises:
        AblateError: A run is active in the workspace, or there is no such study.
    """
    databases.refuse_foreign_tracking(workspace, uri)
    workspace.refuse_locked()
    with workspace.lock():
        drawing = build.rebuild(workspace, name, RenderOptions(importances=optuna_study.importances))
        record = drawing.study.record
        tracker = Tracker(workspace.study(name).outbox, lambda: mlflow_sender.connect(workspace, uri, name))
        runs = MlflowRuns(record, tracker)
        try:
            runs.agree(for_trackers(drawing), held_out(workspace, drawing.study))
        finally:
            waiting = runs.close()
        return Synced(name, waiting, tracker.error, tracker.waits_for_user, tracker.refusal)
