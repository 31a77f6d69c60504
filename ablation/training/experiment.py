"""The paper's experiment: a dense head on a convolutional backbone, trained with Keras on images.

The orchestrator loads this file: what loads a backend, or decodes images, is imported by the functions that need it.
"""

from collections.abc import Callable
from typing import Any

from ablation.engine.run import Run
from ablation.errors import AblateError
from ablation.experiments.protocol import Prepared, Request
from ablation.grids.levels import Condition
from ablation.measures.classes import of_classes
from ablation.measures.measure import SPLITS
from ablation.outcomes import Status
from ablation.planning.cost import Estimate, EstimateRequest
from ablation.training import devices, installed, jobs
from ablation.training.factors import HeadFactors
from ablation.training.inputs import ImageInputs
from ablation.training.jobs import Features, HeadTraining
from ablation.watching.watch import Watch
from ablation.workers import slots
from ablation.workspace import Workspace

name = "keras_head"
version = 2  # of the training recipe: count up whenever the same trial would give other numbers
factors = HeadFactors
Inputs = ImageInputs
measures = of_classes(None, SPLITS)
primary, detailed, noun = "accuracy", ("accuracy", "macro_f1"), "image"
Training = HeadTraining
loads = "ablation.training.fit"
environment = devices.environment
takes_data = "images: pass a path, or demo for faces that ablate draws"
options = ("classes", "limit", "skip_bad")
kept = "head"
making, made = "computing features", "features"


def required() -> dict[str, str]:
    """Return the variables that a worker must have wherever it was started: another backend gives other numbers."""
    return {"KERAS_BACKEND": devices.backend()}


def check(request: Request) -> None:
    """Refuse what this machine cannot do, or weights that are not there. Raises AblateError."""
    from ablation.training import features

    for precision in request.levels("precision") if request.slots else ():  # a cluster has other devices
        if why := devices.lacking(precision, slots.parse(request.slots)):
            raise AblateError(f"precision {precision}: {why}; take float32, or other --slots")
    installed.check()
    for backbone, level in {(row.backbone, row.weights) for row in request.grid.rows}:
        features.locate(backbone, level)


def prepare(request: Request, watch: Watch) -> Prepared:
    """Read images, splits and weights."""
    from ablation.training import prepare as preparation

    return preparation.prepare(request, watch)


def train(training: HeadTraining, run: Run) -> Status:
    """Fit a head; the outcome."""
    from ablation.training import worker

    worker.set_up(training.condition.precision)
    from ablation.training import fit

    return fit.run(fit.Fit(run.workspace, training, run.keep), run.link)


def is_ready(workspace: Workspace, artifact: Features) -> bool:
    """Whether features are stored."""
    from ablation.training import features

    return features.is_ready(workspace, artifact)


def make(workspace: Workspace, artifact: Features, report: Callable[[dict[str, Any]], None]) -> None:
    """Compute and store features."""
    from ablation.training import features, worker

    worker.set_up()
    features.extract(workspace, artifact, report)


def effort(training: HeadTraining) -> float:
    """How long a training takes beside others, in any unit."""
    return jobs.work(training)


def estimate(request: EstimateRequest) -> Estimate:
    """Return what the trainings that are left cost."""
    from ablation.training import estimate as estimating

    return estimating.estimate(request)


def updates(condition: Condition, examples: dict[str, int]) -> int:
    """How often the optimizer moves the weights: epochs x batches."""
    return int(condition.epochs * -(-examples["train"] // condition.batch_size))
