"""The model of the selected row, in MLflow's registry: asked for here, made by a process of its own."""

import os
import re
import subprocess
import sys

from ablation.addresses import masked
from ablation.errors import AblateError
from ablation.grids import record as records
from ablation.grids.grid import Trial
from ablation.grids.record import Record
from ablation.planning import plan
from ablation.planning.upgrade import opened
from ablation.results import selection
from ablation.training import devices, installed, jobs
from ablation.views import tracking
from ablation.workspace import Workspace


def check_name(name: str) -> None:
    """Raises AblateError where MLflow would not take it."""
    if not re.fullmatch(r"[\w][\w. +-]{0,199}", name):
        raise AblateError(f"model name {name!r} is not allowed; take letters, digits, spaces, and . _ + -")


def _selected(workspace: Workspace, record: Record) -> Trial:
    """Raises AblateError where there is nothing to register."""
    sealed = selection.read(workspace, record)
    if sealed is None:
        raise AblateError(f"study {record.name!r}: no row is selected yet; finish `ablate run` first")
    if sealed.row is None:
        raise AblateError(f'study {record.name!r}: selects no row (select_on = "none"); there is none to register')
    trial = next(record.grid.seeded(sealed.row))
    if not workspace.training(record.training_key(trial)).head(trial.step).is_file():
        raise AblateError(
            f"study {record.name!r}: the head of row {sealed.row} was not kept; "
            "train it in another --workspace, with --keep selected or all"
        )
    training = plan.training(record, trial)
    if not isinstance(training, jobs.HeadTraining):
        raise AblateError(f"study {record.name!r}: its experiment has no model that MLflow could register")
    jobs.refuse_cleaned(workspace, training)  # the model is checked on some
    return trial


def _known(workspace: Workspace, record: Record, uri: str | None, name: str, trial: Trial) -> str | None:
    try:
        sender = tracking.connect(workspace, uri, record.name)
        found = sender.registered(name, record.trial_key(trial))
    except AblateError:
        raise
    except Exception as error:  # whatever MLflow, its database driver or the network raises
        raise AblateError(f"MLflow cannot be reached ({tracking.one_line(error)}); {_later(record, name)}") from None
    if not found and record.trial_key(trial) not in sender.runs:
        raise AblateError(f"MLflow does not know row {trial.row} yet; {_later(record, name)}")
    return found


def _later(record: Record, name: str) -> str:
    return f"results and tables are there: `ablate sync`, then `ablate register {name} --grid {record.grid.stem}`"


def _make(workspace: Workspace, record: Record, uri: str | None, name: str) -> str:
    """The version. The process is patient with MLflow: nothing waits for it but a user."""
    patient = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "120"}
    given = {"MLFLOW_TRACKING_URI": uri} if uri else {}  # not among the arguments: all users of a machine see those
    before = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    child = subprocess.run(
        [sys.executable, "-m", "ablation.views.registrar", str(workspace.root.absolute()), record.name, name],
        env=before | devices.of_child() | patient | given,
        capture_output=True,
        text=True,
    )
    if child.returncode:
        reason = masked((child.stderr.strip().splitlines() or ["no reason given"])[-1])
        raise AblateError(f"model {name!r} could not be registered ({reason[:300]}); {_later(record, name)}")
    return child.stdout.strip().splitlines()[-1]


def register(workspace: Workspace, study: str, uri: str | None, name: str) -> str:
    """Log the model of the selected row, with its first seed, and register it; a sentence that says what happened.

    The same model is registered once. Raises AblateError where that cannot be.
    """
    check_name(name)
    installed.check()
    workspace = opened(workspace.root)
    record = records.need(workspace, study)
    trial = _selected(workspace, record)
    whose = f"model of row {trial.row}, seed {trial.seed}"
    if known := _known(workspace, record, uri, name, trial):
        return f"{whose}: is {name} version {known} already"
    return f"{whose}: registered as {name} version {_make(workspace, record, uri, name)}"
