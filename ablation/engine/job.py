"""One training in a worker: locked, counted, and answered by an outcome. Nothing is raised across processes."""

import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablation import experiments
from ablation.engine.run import Run
from ablation.planning import attempts
from ablation.planning.plan import Training
from ablation.results import result
from ablation.results.result import Result
from ablation.workers.pool import Link
from ablation.workspace import Workspace


class Stopped(Exception):
    """The orchestrator asked for it."""


@dataclass(frozen=True)
class Orders:
    """What a command wants of its jobs beside numbers. `run`: its own name. `keep`: all, selected or none of the heads.

    With `all`, the last checkpoint stays too, so that more epochs can follow.
    """

    run: str
    keep: str


def train(root: Path, training: Training, orders: Orders, link: Link) -> str:
    """Run one training, which writes a result at each milestone; the outcome. A failure is written as the training's.

    At most one process does so at a time, whoever started it, and what another has done is not done again.
    """
    folder, started = Workspace(root).training(training.key), time.time()
    with folder.lock(give_up=link.stopping) as held:
        if not held:
            return result.INTERRUPTED
        if all(result.is_done(folder, step) for step in training.milestones):
            return result.DONE
        if attempts.used_up(folder, orders.run, training.milestones):
            return result.KILLED
        attempts.add(folder, orders.run, training.milestones)  # before anything that could kill this process
        link.begin()
        try:
            run = Run(Workspace(root), training, orders.keep, link)
            return experiments.load(training.plugin).train(training, run) or _ended(run)
        except Exception as error:
            failure = Result(
                result.outcome_of(error),
                training.steps,
                error=traceback.format_exc(),
                attempts=len(attempts.read(folder)),
                started=started,
                finished=time.time(),
            )
            result.write(folder, failure)
            return failure.outcome


def _ended(run: Run) -> str:
    """Return the outcome of an experiment that says none: done, where all results are there. Raises ValueError."""
    if missing := run.milestones:
        if run.stopping():
            return result.INTERRUPTED
        raise ValueError(f"the experiment ended without a result at step {', '.join(map(str, missing))}")
    run.folder.failure.unlink(missing_ok=True)
    return result.DONE


def make(root: Path, plugin: str, artifact: Any, link: Link) -> str:
    """Make what trainings share, where it is not there yet; "" or what went wrong, with its traceback."""

    def report(message: dict[str, Any]) -> None:
        link.report(message)
        if link.stopping():
            raise Stopped

    try:
        found = experiments.load(plugin)
        if not found.is_ready(Workspace(root), artifact):
            found.make(Workspace(root), artifact, report)
    except Stopped:
        return result.INTERRUPTED
    except Exception:
        return traceback.format_exc()
    return ""
