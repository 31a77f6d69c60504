"""Job of one training in a worker: locked, counted, and ended with an outcome. No exception crosses processes."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ablation import experiments
from ablation.engine import attempts
from ablation.engine.pool import Channel, ProcessSetup
from ablation.engine.run import JobSettings, Run
from ablation.outcomes import JobOutcome, Status
from ablation.store import result
from ablation.store.files import write_json
from ablation.store.training import Training
from ablation.store.workspace import TrainingFolder, Workspace


def setup(plugin: str) -> ProcessSetup:
    """Return the requirements of an experiment for its worker processes."""
    experiment = experiments.load(plugin)
    required = getattr(experiment, "required", dict)
    return ProcessSetup(
        getattr(experiment, "environment", lambda slot: {}), required(), getattr(experiment, "loads", "")
    )


def load(plugin: str, channel: Channel) -> JobOutcome[str]:
    """Load an experiment, and the module that its jobs need, in a worker. Return the experiment's name."""
    if module := setup(plugin).loads:
        import_module(module)
    return JobOutcome(Status.DONE, plugin)


class Stopped(Exception):
    """Raised in a job that the orchestrator asked to stop."""


def newest_checkpoint(training: Training, folder: TrainingFolder) -> str:
    """Return what identifies the newest checkpoint of a user's program; "" for none."""
    saved = getattr(experiments.load(training.plugin), "saved", None)
    return str(saved(training, folder)) if saved else ""


def train(root: Path, training: Training, settings: JobSettings, channel: Channel) -> JobOutcome[None]:
    """Run one training, which writes a result at each milestone, or the fact that it diverged.

    The orchestrator writes other failures, since a killed process could not. At most one process at a time runs a
    training, no matter who started it. Results of another process are not computed again.

    Args:
        root: Folder of the workspace.
        training: The training.
        settings: Settings of the command.
        channel: Channel to the orchestrator.
    """
    folder = Workspace(root).training(training.key)
    with folder.lock(give_up=channel.stopping) as held:
        if not held:
            return JobOutcome(Status.INTERRUPTED)
        if all(result.is_done(folder, step) for step in training.milestones):
            return JobOutcome(Status.DONE)
        saved = newest_checkpoint(training, folder)
        if attempts.used_up(folder, settings.run, training.milestones, saved):
            return JobOutcome(Status.KILLED)  # a scheduler restarted this job by itself: its attempts are used up
        attempts.add(folder, settings.run, training.milestones, saved)  # before anything that could kill this process
        write_json(folder.description, training.model_dump(mode="json"))
        channel.begin()
        run = Run(Workspace(root), training, settings, channel, held.fileno())
        return JobOutcome(experiments.load(training.plugin).train(training, run) or _ended(run))


def _ended(run: Run) -> Status:
    """Return how an experiment ended that returned no status: done, where all results are written.

    Raises ValueError.
    """
    if missing := run.milestones:
        if run.stopping():
            return Status.INTERRUPTED
        raise ValueError(f"the experiment ended without a result at step {', '.join(map(str, missing))}")
    run.folder.failure.unlink(missing_ok=True)
    return Status.DONE


def make(root: Path, plugin: str, artifact: Any, channel: Channel) -> JobOutcome[None]:
    """Make an artifact that trainings share, unless it is ready.

    Args:
        root: Folder of the workspace.
        plugin: Name of the experiment.
        artifact: The artifact.
        channel: Channel to the orchestrator.
    """

    def report(message: dict[str, Any]) -> None:
        channel.report(message)
        if channel.stopping():
            raise Stopped

    try:
        experiment = experiments.load(plugin)
        if not experiment.is_ready(Workspace(root), artifact):
            experiment.make(Workspace(root), artifact, report)
    except Stopped:
        return JobOutcome(Status.INTERRUPTED)
    return JobOutcome(Status.DONE)


def predict(training: Training, weights: Path, examples: Path, channel: Channel) -> JobOutcome[np.ndarray]:
    """Return the probabilities (N, K) of stored examples, by trained weights: see `protocol.Application`."""
    outcome: JobOutcome[np.ndarray] = (
        experiments.load(training.plugin).application().predict(training, weights, examples, channel)
    )
    return outcome
