"""Process that logs the selected row's model to MLflow and registers the model. The process loads a backend."""

import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import mlflow.keras
import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from ablation.analysis import selection
from ablation.analysis.selection import Selection
from ablation.experiments.keras_head.datasets import stored_splits
from ablation.experiments.keras_head.training import devices, full_model, worker
from ablation.experiments.keras_head.training.jobs import HeadTraining
from ablation.store import record as records
from ablation.store import result
from ablation.store.record import Record
from ablation.store.result import Predictions
from ablation.store.training import training_of
from ablation.store.workspace import Workspace
from ablation.study.grid import Trial
from ablation.trackers import mlflow_sender

CLOSE = {"float32": 2e-3}  # probabilities are stored in float16; lower precision differs more between batches
LESS_CLOSE = 3e-2


def _signature(training: HeadTraining) -> ModelSignature:
    size = training.condition.image_size
    images = TensorSpec(np.dtype("uint8"), (-1, size, size, 3), "images")
    return ModelSignature(
        Schema([images]), Schema([TensorSpec(np.dtype("float32"), (-1, training.classes), "probabilities")])
    )


def _requirements() -> list[str]:
    packages = ("keras", devices.backend(), "numpy", "mlflow")
    return [f"{package}=={version(package)}" for package in packages]


def _metadata(record: Record, trial: Trial, sealed: Selection) -> dict[str, Any]:
    """Return the metadata that users of the model need."""
    return {
        "classes": list(record.inputs.classes),
        "images": "uint8 RGB, 0 to 255" + (", eyes level" if trial.condition.align == "all" else ""),
        "study": record.name,
        "row": trial.row,
        "seed": trial.seed,
        "selected": sealed.rule,
        "image_set": record.inputs.images,
        "weights": record.inputs.weights_of(trial.condition).model_dump(exclude={"level"})
        | {"source": _source(record, trial)},
    }


def _source(record: Record, trial: Trial) -> str:
    return str(record.shown(trial.condition)["weights"])


def _check(model: Any, workspace: Workspace, record: Record, training: HeadTraining, trial: Trial) -> None:
    """Raise ValueError where the model does not reproduce the trial's predictions on its validation images."""
    folder, epochs = workspace.training(training.key), trial.step
    stored_result = result.read(folder, epochs)
    assert stored_result is not None
    probabilities = Predictions.read(folder.predictions("val", epochs), stored_result.predictions["val"]).probabilities
    rows, _ = stored_splits.read(workspace.images(record.inputs.images), training.split)
    stored = workspace.images(record.inputs.images).pixels(training.condition.image_size, training.aligned("val"))
    pixels = np.load(stored, mmap_mode="r", allow_pickle=False)[rows["val"]]
    off = float(np.abs(model.predict(pixels, verbose=0) - probabilities.astype(np.float32)).max())
    if not off <= CLOSE.get(trial.condition.precision, LESS_CLOSE):
        raise ValueError(f"the exported model differs from row {trial.row}: probabilities are off by {off:.3g}")


def register(workspace: Workspace, study: str, uri: str | None, name: str) -> str:
    """Log and register the model of the selected row.

    Args:
        workspace: Workspace of the study.
        study: Name of the study.
        uri: Tracking URI of MLflow; None for the workspace's own database.
        name: Name of the registered model.

    Returns:
        The version of the registered model.

    Raises:
        ValueError: The model does not reproduce the stored predictions.
        KeyError: MLflow has no run of the trial.
        Exception: Any error of MLflow.
    """
    record = records.need(workspace, study)
    sealed = selection.read(workspace, record)
    assert sealed is not None
    assert sealed.row is not None
    trial = next(record.grid.seeded(sealed.row))
    key = record.trial_key(trial)
    training = training_of(record, trial)
    assert isinstance(training, HeadTraining)
    sender = mlflow_sender.connect(workspace, uri, study)
    mlflow.set_tracking_uri(sender.uri)
    mlflow.set_experiment(experiment_id=sender.experiment)  # the artifact folder of the experiment stores the files
    worker.set_up()
    model = full_model.build(training, workspace.training(training.key).head(trial.step))
    logged = Model.log(
        artifact_path=None,
        name="model",
        flavor=mlflow.keras,
        run_id=sender.runs[key],
        model=model,
        signature=_signature(training),
        pip_requirements=_requirements(),
        metadata=_metadata(record, trial, sealed),
    )
    _check(mlflow.keras.load_model(logged.model_uri), workspace, record, training, trial)
    tags = {mlflow_sender.TRIAL: key, mlflow_sender.STUDY: study, "ablate.row": str(trial.row)}
    return str(mlflow.register_model(logged.model_uri, name, tags=tags).version)


if __name__ == "__main__":  # `python -m ablation.workflows.register_process WORKSPACE STUDY NAME` prints the version
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    where, which, as_name = sys.argv[1:]
    print(register(Workspace(Path(where)), which, os.environ.pop("MLFLOW_TRACKING_URI", None), as_name))
