"""One training in a worker: locked, counted, and answered by an outcome. Nothing is raised across processes."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ablation import experiments
from ablation.engine.run import Run
from ablation.outcomes import JobOutcome, Status
from ablation.planning import attempts
from ablation.planning.plan import Training
from ablation.results import result
from ablation.workers.pool import Link, Setup
from ablation.workspace import Workspace


def setup(plugin: str) -> Setup:
    """Return what an experiment needs of the processes of its workers."""
    experiment = experiments.load(plugin)
    required = getattr(experiment, "required", dict)
    return Setup(getattr(experiment, "environment", lambda slot: {}), required(), getattr(experiment, "loads", ""))


def load(plugin: str, link: Link) -> JobOutcome[str]:
    """Load an experiment, and the module that its jobs need, in a worker; the experiment's name."""
    import_module(setup(plugin).loads or __name__)
    return JobOutcome(Status.DONE, plugin)


class Stopped(Exception):
    """The orchestrator asked for it."""


@dataclass(frozen=True)
class Orders:
    """What a command wants of its jobs beside numbers. `run`: its own name. `keep`: all, selected or none of the heads.

    With `all`, the last checkpoint stays too, so that more epochs can follow.
    """

    run: str
    keep: str


def train(root: Path, training: Training, orders: Orders, link: Link) -> JobOutcome[None]:
    """Run one training, which writes a result at each milestone, or that it diverged. Other failures are the
    orchestrator's to write: a process that is killed could not.

    At most one process does so at a time, whoever started it, and what another has done is not done again.
    """
    folder = Workspace(root).training(training.key)
    with folder.lock(give_up=link.stopping) as held:
        if not held:
            return JobOutcome(Status.INTERRUPTED)
        if all(result.is_done(folder, step) for step in training.milestones):
            return JobOutcome(Status.DONE)
        if attempts.used_up(folder, orders.run, training.milestones):
            return JobOutcome(Status.KILLED)  # a scheduler started it again by itself, until its tries were used up
        attempts.add(folder, orders.run, training.milestones)  # before anything that could kill this process
        link.begin()
        run = Run(Workspace(root), training, orders.keep, link)
        return JobOutcome(experiments.load(training.plugin).train(training, run) or _ended(run))


def _ended(run: Run) -> Status:
    """Return how an experiment ended that does not say it: done, where all results are there. Raises ValueError."""
    if missing := run.milestones:
        if run.stopping():
            return Status.INTERRUPTED
        raise ValueError(f"the experiment ended without a result at step {', '.join(map(str, missing))}")
    run.folder.failure.unlink(missing_ok=True)
    return Status.DONE


def make(root: Path, plugin: str, artifact: Any, link: Link) -> JobOutcome[None]:
    """Make what trainings share, where it is not there yet."""

    def report(message: dict[str, Any]) -> None:
        link.report(message)
        if link.stopping():
            raise Stopped

    try:
        found = experiments.load(plugin)
        if not found.is_ready(Workspace(root), artifact):
            found.make(Workspace(root), artifact, report)
    except Stopped:
        return JobOutcome(Status.INTERRUPTED)
    return JobOutcome(Status.DONE)
