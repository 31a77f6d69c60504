"""A trainer that does as a file tells it, and loads next to nothing: workers that are killed load it anew each time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ablation.outcomes import JobOutcome, Status
from ablation.planning import attempts
from ablation.results import result
from ablation.results.result import Predictions, Result
from ablation.workspace import Workspace

if TYPE_CHECKING:
    from ablation.planning.plan import Training
    from ablation.training.worker import Orders
    from ablation.workers.pool import Link

CLASSES, TEST, VAL = 3, 24, 6  # of the tiny image set


def write(workspace: Workspace, training: Training) -> None:
    """Results as a trainer writes them, of a head that always says class 0."""
    folder = workspace.training(training.key)

    def predictions(n: int) -> Predictions:
        return Predictions(
            np.zeros(n, np.int16), np.full((n, CLASSES), 1 / CLASSES, np.float16), np.ones(n, np.float32)
        )

    scores = {"loss": 1.0, "accuracy": 0.3, "macro_f1": 0.2, "weighted_f1": 0.2, "micro_f1": 0.3}
    for epochs in training.milestones:
        files = {s: predictions(n).write(folder.predictions(s, epochs)) for s, n in (("val", VAL), ("test", TEST))}
        history = [
            {"epoch": e, "loss": 1.0, "accuracy": 0.3, "val_accuracy": 0.3, "val_loss": 1.0, "time": time.time()}
            for e in range(1, epochs + 1)
        ]
        both = {"train": scores, "val": scores}
        found = Result(Status.DONE, epochs, both, history, files, parameters=1, finished=time.time())
        result.write(folder, found)


def train(root: Path, training: Training, orders: Orders, link: Link) -> JobOutcome[None]:
    """Rows with dropout misbehave as the workspace's file `how` says; the others are done at once."""
    workspace = Workspace(root)
    folder = workspace.training(training.key)
    folder.path.mkdir(parents=True, exist_ok=True)
    attempts.add(folder, orders.run, training.milestones)
    link.begin()
    how = (root / "how").read_text() if training.condition.dropout else ""
    alone = os.environ["TEST_SLOT"].endswith("alone")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "hang":
        time.sleep(600)
    if how == "diverge":
        result.write(folder, Result(Status.DIVERGED, 1, error="the loss is no number after epoch 1"))
        return JobOutcome(Status.DIVERGED)
    if how == "memory" or (how == "memory unless alone" and not alone):
        raise MemoryError
    write(workspace, training)
    return JobOutcome(Status.DONE)
