"""Process that logs the selected row's model to MLflow and registers the model. The process loads a backend."""

import logging
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from ablation.analysis import selection
from ablation.analysis.selection import Selection
from ablation.experiments.protocol import ExportedModel
from ablation.store import record as records
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.study.grid import Trial
from ablation.trackers import mlflow_sender


def _signature(exported: ExportedModel) -> ModelSignature:
    def schema(array: tuple[str, str, tuple[int, ...]]) -> Schema:
        name, dtype, shape = array
        return Schema([TensorSpec(np.dtype(dtype), shape, name)])

    return ModelSignature(schema(exported.inputs), schema(exported.outputs))


def _metadata(record: Record, trial: Trial, sealed: Selection) -> dict[str, Any]:
    """Return the metadata of every model; the experiment adds its own."""
    return {
        "classes": list(record.inputs.classes),
        "study": record.name,
        "row": trial.row,
        "seed": trial.seed,
        "selected": sealed.rule,
    }


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
    sender = mlflow_sender.connect(workspace, uri, study)
    mlflow.set_tracking_uri(sender.uri)
    mlflow.set_experiment(experiment_id=sender.experiment)  # the artifact folder of the experiment stores the files
    exported: ExportedModel = record.experiment.export_model(workspace, record, trial)
    flavor = import_module(f"mlflow.{exported.flavor}")
    logged = Model.log(
        artifact_path=None,
        name="model",
        flavor=flavor,
        run_id=sender.runs[key],
        model=exported.model,
        signature=_signature(exported),
        pip_requirements=list(exported.requirements),
        metadata={**_metadata(record, trial, sealed), **exported.metadata},
    )
    exported.check(flavor.load_model(logged.model_uri))
    tags = {mlflow_sender.TRIAL: key, mlflow_sender.STUDY: study, "ablate.row": str(trial.row)}
    return str(mlflow.register_model(logged.model_uri, name, tags=tags).version)


if __name__ == "__main__":  # `python -m ablation.workflows.register_process WORKSPACE STUDY NAME` prints the version
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    where, which, as_name = sys.argv[1:]
    print(register(Workspace(Path(where)), which, os.environ.pop("MLFLOW_TRACKING_URI", None), as_name))
