"""An experiment that does as a file tells it, and loads next to nothing: workers that are killed load it anew."""

import os
import signal
import time
from collections.abc import Mapping

import numpy as np

from ablation.engine.run import Run
from ablation.engine.slots import Slot
from ablation.experiments.keras_head import experiment
from ablation.experiments.protocol import Prepared, Request
from ablation.outcomes import Status
from ablation.progress.listener import ProgressListener
from ablation.store import result
from ablation.store.result import Result
from ablation.store.training import Training

CLASSES = 3  # of the tiny image set
PLUGIN = '\n[experiment]\nplugin = "trainer:fake"\n'  # at the end of a study file


def columns(n: int) -> Mapping[str, np.ndarray]:
    """Return the predictions of a head that always predicts class 0."""
    return {
        "classes": np.zeros(n, np.int16),
        "probabilities": np.full((n, CLASSES), 1 / CLASSES, np.float16),
        "losses": np.ones(n, np.float32),
    }


class Fake:
    """The factors and images of the Keras experiment, without Keras."""

    name, version = "fake", 1
    factors, Inputs, measures = experiment.factors, experiment.Inputs, experiment.measures
    primary, detailed, noun = experiment.primary, experiment.detailed, experiment.noun

    def environment(self, slot: Slot) -> dict[str, str]:
        return {"TEST_SLOT": slot.name}

    def prepare(self, request: Request, watch: ProgressListener) -> Prepared:
        return experiment.prepare(request, watch)

    def train(self, training: Training, run: Run) -> Status | None:
        """Rows with dropout misbehave as the workspace's file `how` says; the others are done at once."""
        how = (run.workspace.root / "how").read_text() if training.condition.dropout else ""
        alone = os.environ["TEST_SLOT"].endswith("alone")
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "hang":
            time.sleep(600)
        if how == "diverge":
            result.write(run.folder, Result(Status.DIVERGED, 1, error="the loss is not finite after epoch 1"))
            return Status.DIVERGED
        if how == "memory" or (how == "memory unless alone" and not alone):
            raise MemoryError
        scores = {"loss": 1.0, "accuracy": 0.3, "macro_f1": 0.2, "weighted_f1": 0.2, "micro_f1": 0.3}
        for step in range(1, training.steps + 1):
            run.report(loss=1.0, accuracy=0.3, val_accuracy=0.3, val_loss=1.0)
            if step in run.milestones:
                val, test = (columns(training.examples[split]) for split in ("val", "test"))
                run.result(val=val, test=test, scores={"train": scores, "val": scores}, parameters=1)
        return None


fake = Fake()
