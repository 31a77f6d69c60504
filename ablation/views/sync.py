"""Make MLflow hold what the files of a study hold, whatever it missed."""

from dataclasses import dataclass

from ablation.tables import outcome
from ablation.tables.outcome import Look
from ablation.views import databases, study, tracking
from ablation.views.runs import Runs
from ablation.views.tracking import Tracker
from ablation.workspace import Workspace


@dataclass(frozen=True)
class Synced:
    """Result of sending a study to MLflow.

    Args:
        waiting: The number of messages that could not be sent now.
        reason: Why they could not be sent.
        waits_for_user: Whether the reason says what a user must do first, for waiting alone changes nothing.
        refused: A sentence on the messages that MLflow refuses for good; "" where there are none.
    """

    study: str
    waiting: int
    reason: str
    waits_for_user: bool = False
    refused: str = ""


def sync(workspace: Workspace, name: str, uri: str | None) -> Synced:
    """Send what waits in the outbox of a study, and what MLflow lacks of its files. Raises AblateError where a run goes
    on in the workspace, or where there is no such study."""
    databases.refuse_foreign_tracking(workspace, uri)
    workspace.refuse_locked()
    with workspace.lock():
        drawing = outcome.drawn_again(workspace, name, Look(importances=study.importances))
        record = drawing.findings.record
        tracker = Tracker(workspace.study(name).outbox, lambda: tracking.connect(workspace, uri, name))
        runs = Runs(record, tracker)
        try:
            runs.agree(drawing, outcome.tests(workspace, drawing.findings))
        finally:
            waiting = runs.close()
        return Synced(name, waiting, tracker.error, tracker.waits_for_user, tracker.refusal)
