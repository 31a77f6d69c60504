"""Metrics that a command sends to MLflow: to a database of its own, from which they are read by SQL."""

import math
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from ablation.errors import AblateError

DATABASE = "mlflow.db"  # in the training's own folder
PARENT_TAG = "mlflow.parentRunId"
Course = list[tuple[int, float]]  # step and value, in the order of time


def variables(folder: Path) -> dict[str, str]:
    """Return the environment in which MLflow's client writes into a database of the folder."""
    return {"MLFLOW_TRACKING_URI": f"sqlite:///{folder.absolute() / DATABASE}"}


def courses(folder: Path, wanted: Mapping[str, str]) -> dict[str, Course]:
    """Return name -> course of a metric, of the run that the command made.

    Of nested runs the outermost one that has the metric counts.

    Args:
        folder: the training's own folder.
        wanted: name -> key of the metric in MLflow.

    Raises:
        AblateError: there is no database, a metric is missing, or several runs have it.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise AblateError("results.measures: the command sent nothing to MLflow; it must not set a tracking URI itself")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            lines = connection.execute(
                "SELECT m.key, m.run_uuid, m.step, m.value, m.is_nan, t.value FROM metrics m "
                "JOIN runs r ON r.run_uuid = m.run_uuid AND r.lifecycle_stage = 'active' "
                "LEFT JOIN tags t ON t.run_uuid = m.run_uuid AND t.key = ? ORDER BY m.timestamp, m.step",
                [PARENT_TAG],
            ).fetchall()
    except sqlite3.Error as error:
        raise AblateError(f"results.measures: {path}: cannot be read: {error}") from None
    return {name: _course(name, key, lines) for name, key in wanted.items()}


def _course(name: str, key: str, lines: list[tuple[str, str, int, float, bool, str | None]]) -> Course:
    of_key = [line for line in lines if line[0] == key]
    outermost = [line for line in of_key if line[5] is None] or of_key
    runs = {line[1] for line in outermost}
    if not runs:
        keys = ", ".join(sorted({line[0] for line in lines})) or "none"
        raise AblateError(f"results.measures.{name}: no run of the command has the metric {key!r}; metrics: {keys}")
    if len(runs) > 1:
        raise AblateError(f"results.measures.{name}: {len(runs)} runs of the command have the metric {key!r}; make one")
    return [(int(step), math.nan if is_nan else float(value)) for _, _, step, value, is_nan, _ in outermost]
