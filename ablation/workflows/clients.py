"""Clients of the trackers of a run: Optuna's study and MLflow's runs, opened before the first training."""

import math
from collections.abc import Callable

from ablation.progress.listener import ProgressListener
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.trackers import mlflow_sender
from ablation.trackers.client import Client
from ablation.trackers.mlflow_runs import MlflowRuns
from ablation.trackers.mlflow_tracker import Tracker
from ablation.trackers.optuna_client import OptunaClient
from ablation.trackers.optuna_database import open_study
from ablation.workflows.run_options import RunOptions


def opened(options: RunOptions, workspace: Workspace, record: Record, watch: ProgressListener) -> list[Client]:
    """Return the clients of Optuna and MLflow. Raises AblateError where Optuna's database cannot be opened."""
    study = open_study(options.storage, workspace, record, watch.say)
    return [OptunaClient(record, study), open_mlflow(workspace, record, options.tracking, watch.say, options.drain)[0]]


def open_mlflow(
    workspace: Workspace,
    record: Record,
    tracking: str | None,
    say: Callable[[str], None],
    patience: float = math.inf,
) -> tuple[MlflowRuns, Tracker]:
    """Return the client of MLflow, and the thread that sends its messages.

    Args:
        workspace: Workspace of the study.
        record: Record of the study.
        tracking: URI; None for the workspace's own database.
        say: Receives notes for the user.
        patience: See `Tracker`.
    """
    outbox = workspace.study(record.name).outbox
    tracker = Tracker(outbox, lambda: mlflow_sender.connect(workspace, tracking, record.name, say), patience)
    return MlflowRuns(record, tracker), tracker
