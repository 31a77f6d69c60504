"""Workflow of `ablate sync`: send the results of a study that are missing in Optuna and MLflow."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from ablation.analysis.held_out import HeldOutScores, held_out
from ablation.report import build
from ablation.report.build import RenderOptions, Report
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.trackers import databases
from ablation.trackers.content import Published
from ablation.trackers.local_copies import local_copies
from ablation.trackers.optuna_client import OptunaClient
from ablation.trackers.optuna_database import open_study
from ablation.trackers.optuna_importances import importances
from ablation.workflows import clients
from ablation.workflows.publish import for_trackers

Content = tuple[Published, HeldOutScores | None]  # of a study, for its trackers


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
    with workspace.lock(), local_copies(workspace, say) as local:
        drawing, content = _content(workspace, name, say)
        record = drawing.study.record
        optuna = OptunaClient(record, open_study(storage, local, record, say))
        optuna.agree(*content)
        synced = _send_to_mlflow(local, record, uri, content, say)
        optuna.close(math.inf)
        return replace(synced, optuna=optuna.error)


def sync_mlflow(workspace: Workspace, name: str, uri: str | None) -> Synced:
    """Send the results that are missing in MLflow alone; see `sync`."""
    databases.refuse_foreign_tracking(workspace, uri)
    workspace.refuse_locked()
    with workspace.lock(), local_copies(workspace, lambda text: None) as local:
        drawing, content = _content(workspace, name, lambda text: None)
        return _send_to_mlflow(local, drawing.study.record, uri, content, lambda text: None)


def _content(workspace: Workspace, name: str, say: Callable[[str], None]) -> tuple[Report, Content]:
    """Return a study rendered from its files, and what trackers are sent of it."""
    drawing = build.rebuild(workspace, name, RenderOptions(importances=importances))
    return drawing, (for_trackers(drawing, workspace, say), held_out(workspace, drawing.study))


def _send_to_mlflow(
    workspace: Workspace, record: Record, uri: str | None, content: Content, say: Callable[[str], None]
) -> Synced:
    runs, tracker = clients.open_mlflow(workspace, record, uri, say)
    try:
        runs.agree(*content)
    finally:
        waiting = runs.close()
    return Synced(record.name, waiting, tracker.error, tracker.waits_for_user, tracker.refusal)
