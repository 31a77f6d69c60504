"""Study that a command runs: its files, and the receivers of its events."""

from dataclasses import dataclass, field

from ablation.analysis.retention import Retention
from ablation.engine.cost import PastTrainings
from ablation.progress.listener import ProgressListener
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.trackers.trackers import Trackers


@dataclass(frozen=True)
class StudyRun:
    """Study that a command runs: its files, and the receivers of its events.

    Attributes:
        workspace: Workspace of the study.
        record: Record of the study.
        retention: Retention of weights on disk.
        trackers: Optuna and MLflow clients, which receive each trial.
        watch: Listener for progress and notes.
        past: Past trainings of the experiment in the workspace.
    """

    workspace: Workspace
    record: Record
    retention: Retention
    trackers: Trackers
    watch: ProgressListener
    past: PastTrainings = field(default_factory=PastTrainings)
