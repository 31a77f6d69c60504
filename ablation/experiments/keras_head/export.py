"""Export of a trained head as a full model, from images to probabilities, for a model registry."""

from importlib.metadata import version
from typing import Any

import numpy as np

from ablation.experiments.keras_head.datasets import stored_splits
from ablation.experiments.keras_head.training import devices, full_model, worker
from ablation.experiments.keras_head.training.jobs import HeadTraining
from ablation.experiments.protocol import ExportedModel
from ablation.store import result
from ablation.store.record import Record
from ablation.store.result import Predictions
from ablation.store.training import training_of
from ablation.store.workspace import Workspace
from ablation.study.grid import Trial

CLOSE = {"float32": 2e-3}  # probabilities are stored in float16; lower precision differs more between batches
LESS_CLOSE = 3e-2


def _metadata(record: Record, trial: Trial) -> dict[str, Any]:
    """Return the metadata that users of the model need."""
    return {
        "images": "uint8 RGB, 0 to 255" + (", eyes level" if trial.condition.align == "all" else ""),
        "image_set": record.inputs.images,
        "weights": record.inputs.weights_of(trial.condition).model_dump(exclude={"level"})
        | {"source": str(record.shown(trial.condition)["weights"])},
    }


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
        raise ValueError(f"the exported model differs from row {trial.row}: probabilities differ by {off:.3g}")


def export_model(workspace: Workspace, record: Record, trial: Trial) -> ExportedModel:
    """Return the full model of a trial: uint8 pixels (N, size, size, 3) to probabilities (N, classes)."""
    training = training_of(record, trial)
    assert isinstance(training, HeadTraining)
    worker.set_up()
    size = training.condition.image_size
    return ExportedModel(
        model=full_model.build(training, workspace.training(training.key).head(trial.step)),
        flavor="keras",
        inputs=("images", "uint8", (-1, size, size, 3)),
        outputs=("probabilities", "float32", (-1, training.classes)),
        requirements=[f"{package}=={version(package)}" for package in ("keras", devices.backend(), "numpy", "mlflow")],
        metadata=_metadata(record, trial),
        check=lambda model: _check(model, workspace, record, training, trial),
    )
