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
    """`waiting`: how many messages MLflow could not be sent, and why."""

    study: str
    waiting: int
    reason: str


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
        return Synced(name, waiting, tracker.error)
