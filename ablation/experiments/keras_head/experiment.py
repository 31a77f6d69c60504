"""Experiment of the paper: a dense head on a convolutional backbone, trained with Keras on images.

The orchestrator loads this file. The functions below import the modules that load a backend or decode images.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ablation import extras
from ablation.engine import slots
from ablation.engine.cost import Estimate, EstimateRequest
from ablation.engine.run import Run
from ablation.errors import AblateError
from ablation.experiments.keras_head.factors import HeadFactors
from ablation.experiments.keras_head.inputs import ImageInputs
from ablation.experiments.keras_head.training import devices, installed, jobs
from ablation.experiments.keras_head.training.jobs import Features, HeadTraining
from ablation.experiments.protocol import Check, ExportedModel, Prepared, Request
from ablation.measures.classes import of_classes
from ablation.measures.measure import SPLITS
from ablation.model.diagnostic import Diagnostic
from ablation.outcomes import Status
from ablation.progress.listener import ProgressListener
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.study.grid import Trial
from ablation.study.levels import Condition

name = "keras_head"
version = 2  # version of the training recipe: count up whenever the same trial would give different numbers
factors = HeadFactors
Inputs = ImageInputs
measures = of_classes(None, SPLITS)
primary, detailed, noun = "accuracy", ("accuracy", "macro_f1"), "image"
uncertainty, units = "seeds", "examples"
legacy = True  # the tables of earlier studies hold these numbers, which verify computes again
varies = (
    "initialisation of the head, order of the training images, dropout, augmentation"  # what a trial's seed changes
)
Training = HeadTraining
loads = "ablation.experiments.keras_head.training.fit"
environment = devices.environment
takes_data = "images: pass --data with a path, or --data demo for synthetic faces"
options = ("classes", "limit", "skip_bad")
kept = "head"
pages = Path(__file__).parent / "report" / "pages"  # of its own warnings
making, made = "computing features", "features"


def required() -> dict[str, str]:
    """Return the environment variables that every worker must have: another backend gives different numbers."""
    return {"KERAS_BACKEND": devices.backend()}


def check_installed() -> None:
    """Raise AblateError where a package that training or prediction needs is missing."""
    installed.check()


def check(request: Request) -> None:
    """Raise AblateError where a precision, a package or a file of weights is not available on this machine."""
    from ablation.experiments.keras_head.training import features

    if request.slots and any(slot.more for slot in slots.parse(request.slots)):
        raise AblateError(f"--slots {request.slots}: this experiment trains on one GPU; leave out the +")
    for precision in (
        request.levels("precision") if request.slots else ()
    ):  # no slots: a cluster, whose devices are unknown here
        if reason := devices.lacking(precision, slots.parse(request.slots)):
            raise AblateError(f"precision {precision}: {reason}; use float32, or other --slots")
    installed.check()
    for backbone, level in {(row.backbone, row.weights) for row in request.grid.rows}:
        features.locate(backbone, level)


def prepare(request: Request, watch: ProgressListener) -> Prepared:
    """Read and check images, splits and weights. Raises AblateError where one of them is wrong."""
    from ablation.experiments.keras_head.training import prepare as preparation

    return preparation.prepare(request, watch)


def train(training: HeadTraining, run: Run) -> Status:
    """Train a head in this worker. Return the outcome."""
    from ablation.experiments.keras_head.training import worker

    worker.set_up(training.condition.precision)
    from ablation.experiments.keras_head.training import fit

    return fit.run(fit.open_fit(run.workspace, training, run.keep), run.link)


def is_ready(workspace: Workspace, artifact: Features) -> bool:
    """Return whether features are stored."""
    from ablation.experiments.keras_head.training import features

    return features.is_ready(workspace, artifact)


def make(workspace: Workspace, artifact: Features, report: Callable[[dict[str, Any]], None]) -> None:
    """Compute and store features in this worker. `report` gets {"done": n, "of": n}, in images."""
    from ablation.experiments.keras_head.training import features, worker

    worker.set_up()
    features.extract(workspace, artifact, report)


def effort(training: HeadTraining) -> float:
    """Return the duration of a training relative to other trainings, in arbitrary units."""
    return jobs.work(training)


def examine(workspace: Workspace, record: Record) -> dict[str, Any]:
    """Return the stored leaks of each split of a study, by level of `split`: copies, labels, subjects."""
    from ablation.experiments.keras_head.datasets import leaks

    levels = record.inputs.splits if isinstance(record.inputs, ImageInputs) else ()
    stored = {level: leaks.stored(workspace, record, level) for level in levels}
    return {level: leaks_of_level for level, leaks_of_level in stored.items() if leaks_of_level}


def inspect(workspace: Workspace, record: Record) -> None:
    """Compute and store the leaks of each split of a study, where they are missing."""
    from ablation.experiments.keras_head.datasets import leaks
    from ablation.experiments.keras_head.training import features

    pretrained = features.pretrained(workspace, record)
    for level in record.inputs.splits:
        leaks.compute(workspace, record, level, pretrained)


def diagnostics() -> dict[str, Callable[[Any], Diagnostic | None]]:
    """Return the checks for warnings of this experiment, by code of the warning."""
    from ablation.experiments.keras_head.report import leakage, weights

    return {**leakage.CHECKS, **weights.CHECKS}


def estimate(request: EstimateRequest) -> Estimate:
    """Return the cost of the remaining trainings."""
    from ablation.experiments.keras_head.training import estimate as estimating

    return estimating.estimate(request)


def updates(condition: Condition, examples: dict[str, int]) -> int:
    """Return the number of optimizer updates of a training: epochs x batches."""
    return int(condition.epochs * -(-examples["train"] // condition.batch_size))


def application() -> Any:
    """Return how a trained head predicts other images, a `protocol.Application`."""
    from ablation.experiments.keras_head import application as functions

    return functions


def check_export(workspace: Workspace, training: HeadTraining) -> None:
    """Raise AblateError where a model cannot be exported: the check of the model needs decoded images."""
    jobs.refuse_cleaned(workspace, training)


def export_model(workspace: Workspace, record: Record, trial: Trial) -> ExportedModel:
    """Return the full model of a trial, from images to probabilities. Loads the backend."""
    from ablation.experiments.keras_head import export

    return export.export_model(workspace, record, trial)


def describe(data: str, classes: Sequence[str] | None, sheet: Path | None, watch: ProgressListener) -> list[str]:
    """Return lines on a set of images: classes, splits, copies and leaks."""
    extras.need("keras", "`ablate data`", ("pillow", "imagehash", "joblib"))
    from ablation.experiments.keras_head import describe as description

    return description.describe(data, classes, sheet, watch)


def checks() -> Iterator[Check]:
    """Yield the checks of this machine: the backend, and ImageNet weights."""
    from ablation.experiments.keras_head import checks as machine_checks

    return machine_checks.checks()
