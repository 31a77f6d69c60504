"""Metrics that a command sends to MLflow: of its own run, in a database of its own."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ablation.errors import AblateError
from ablation.experiments.command import mlflow_run

pytestmark = pytest.mark.process
SCRIPT = """
import mlflow
for name in ["one", "two"][: {runs}]:
    with mlflow.start_run(run_name=name):
        for step in range(3):
            mlflow.log_metric("loss", 1.0 - 0.25 * step, step=step)
        with mlflow.start_run(nested=True):
            mlflow.log_metric("loss", 0.125)
            mlflow.log_metric("inner", 7)
        mlflow.log_metric("broken", float("nan"))
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Folders in which MLflow's own client wrote one run, and two."""
    made = {}
    for runs in (1, 2):
        made[runs] = tmp_path_factory.mktemp(f"runs-{runs}")
        env = os.environ | mlflow_run.variables(made[runs])
        script = SCRIPT.replace("{runs}", str(runs))
        subprocess.run([sys.executable, "-c", script], cwd=made[runs], env=env, check=True, capture_output=True)
    return made


def test_the_outermost_run_counts(places: dict[int, Path]):
    """The outermost run gives its course in order; a nested run counts only for metrics of its own; NaN stays NaN."""
    courses = mlflow_run.courses(places[1], {"val_loss": "loss", "val_inner": "inner", "val_broken": "broken"})
    assert courses["val_loss"] == [(0, 1.0), (1, 0.75), (2, 0.5)]
    assert courses["val_inner"] == [(0, 7.0)]
    assert math.isnan(courses["val_broken"][0][1])


@pytest.mark.parametrize(
    ("runs", "wanted", "message"),
    [
        (1, "los", r"val_a: no run of the command has the metric 'los'; metrics: broken, inner, loss"),
        (2, "loss", "val_a: 2 runs of the command have the metric 'loss'; make one"),
    ],
)
def test_what_cannot_be_read_is_one_line(places: dict[int, Path], runs: int, wanted: str, message: str):
    """A key that is not there, and several runs."""
    with pytest.raises(AblateError, match=message):
        mlflow_run.courses(places[runs], {"val_a": wanted})


def test_a_command_that_sends_nothing_is_refused(tmp_path: Path):
    """A command that sends nothing to MLflow is refused: its tracking URI may be its own; a broken database is
    named."""
    with pytest.raises(AblateError, match="sent nothing to MLflow"):
        mlflow_run.courses(tmp_path, {"val_a": "a"})
    (tmp_path / mlflow_run.DATABASE).write_text("no database")
    with pytest.raises(AblateError, match="cannot be read"):
        mlflow_run.courses(tmp_path, {"val_a": "a"})
