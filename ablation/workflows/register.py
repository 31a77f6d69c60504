"""Registration of the selected row's model in MLflow. A separate process makes the model."""

import os
import re
import subprocess
import sys

from ablation.analysis import selection
from ablation.engine import slots
from ablation.errors import AblateError
from ablation.store import record as records
from ablation.store.record import Record
from ablation.store.training import training_of
from ablation.store.upgrade import opened
from ablation.store.workspace import Workspace
from ablation.study.grid import Trial
from ablation.trackers import mlflow_sender
from ablation.urls import masked
from ablation.workflows.trained_row import check_installed


def check_name(name: str) -> None:
    """Raise AblateError where MLflow would refuse the name of a model."""
    if not re.fullmatch(r"[\w][\w. +-]{0,199}", name):
        raise AblateError(f"model name {name!r} is not allowed; allowed: letters, digits, spaces, and . _ + -")


def _selected(workspace: Workspace, record: Record) -> Trial:
    """Return the trial to register: the selected row with its first seed. Raises AblateError where there is none."""
    sealed = selection.read(workspace, record)
    if sealed is None:
        raise AblateError(f"study {record.name!r}: no row is selected yet; finish `ablate run` first")
    if sealed.row is None:
        raise AblateError(f'study {record.name!r}: selects no row (select_on = "none"), so no model can be registered')
    trial = next(record.grid.seeded(sealed.row))
    if not workspace.training(record.training_key(trial)).head(trial.step).is_file():
        raise AblateError(
            f"study {record.name!r}: the head of row {sealed.row} was not kept; "
            "run the study in another --workspace, with --keep selected or --keep all"
        )
    if not hasattr(record.experiment, "export_model"):
        raise AblateError(f"study {record.name!r}: its experiment has no model that MLflow could register")
    record.experiment.check_export(workspace, training_of(record, trial))
    return trial


def _known(workspace: Workspace, record: Record, uri: str | None, name: str, trial: Trial) -> str | None:
    try:
        sender = mlflow_sender.connect(workspace, uri, record.name)
        model_version = sender.registered(name, record.trial_key(trial))
    except AblateError:
        raise
    except Exception as error:  # any error of MLflow, its database driver or the network
        raise AblateError(
            f"MLflow cannot be reached ({mlflow_sender.one_line(error)}); {_later(record, name)}"
        ) from None
    if not model_version and record.trial_key(trial) not in sender.runs:
        raise AblateError(f"row {trial.row} is not in MLflow yet; {_later(record, name)}")
    return model_version


def _later(record: Record, name: str) -> str:
    return (
        f"results and tables are complete; run `ablate sync`, then `ablate register {name} --grid {record.grid.stem}`"
    )


def _make(workspace: Workspace, record: Record, uri: str | None, name: str) -> str:
    """Register the model in a separate process, and return its version. Only a user waits, so timeouts are long."""
    patient = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "120"}
    given = {"MLFLOW_TRACKING_URI": uri} if uri else {}  # not an argument: all users of a machine see arguments
    before = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    slot = slots.parse("auto")[0]
    of_slot = slots.environment(slot) | getattr(record.experiment, "environment", lambda slot: {})(slot)
    child = subprocess.run(
        [
            sys.executable,
            "-m",
            "ablation.workflows.register_process",
            str(workspace.root.absolute()),
            record.name,
            name,
        ],
        env=before | of_slot | patient | given,
        capture_output=True,
        text=True,
    )
    if child.returncode:
        reason = masked((child.stderr.strip().splitlines() or ["no reason given"])[-1])
        raise AblateError(f"model {name!r} could not be registered ({reason[:300]}); {_later(record, name)}")
    return child.stdout.strip().splitlines()[-1]


def register(workspace: Workspace, study: str, uri: str | None, name: str) -> str:
    """Log the model of the selected row, with its first seed, and register the model once.

    Args:
        workspace: Workspace of the study.
        study: Name of the study.
        uri: Tracking URI of MLflow; None for the workspace's own database.
        name: Name of the registered model.

    Returns:
        A sentence that describes the outcome.

    Raises:
        AblateError: The model cannot be registered.
    """
    check_name(name)
    check_installed(records.need(workspace, study).experiment)
    workspace = opened(workspace.root)
    record = records.need(workspace, study)
    trial = _selected(workspace, record)
    whose = f"model of row {trial.row}, seed {trial.seed}"
    if model_version := _known(workspace, record, uri, name, trial):
        return f"{whose}: already registered as {name} version {model_version}"
    return f"{whose}: registered as {name} version {_make(workspace, record, uri, name)}"
