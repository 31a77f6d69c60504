"""Databases of MLflow 1, 2 and 3, read by SQL: MLflow would upgrade them."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from math import nan
from pathlib import Path

from sqlalchemy import Connection

from ablation.errors import AblateError
from ablation.sources.readers import databases
from ablation.sources.readers.databases import selected
from ablation.sources.readers.mlflow_runs import Experiment, MlflowRun, choose, local_artifacts, made, order, trash
from ablation.sources.readers.stored import Point
from ablation.sources.runs import Runs
from ablation.urls import masked

TABLES = ("experiments", "runs", "params", "metrics", "tags")
ACTIVE = {"lifecycle_stage": "active"}


def _texts(connection: Connection, name: str, experiment: int) -> dict[str, dict[str, str]]:
    """Return run -> key -> text of the table of params or of tags."""
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    lines = selected(connection, name, ["run_uuid", "key", "value"], {"experiment_id": experiment}, "runs")
    for run, key, value in lines:
        texts[run][key] = value or ""
    return texts


def _runs(connection: Connection, experiment: int, folder: Path) -> list[MlflowRun]:
    """Return the active runs of an experiment. `folder`: folder of the database."""
    params, tags = (_texts(connection, name, experiment) for name in ("params", "tags"))
    fields = ["run_uuid", "name", "status", "start_time", "end_time", "artifact_uri"]
    lines = selected(connection, "runs", fields, {"experiment_id": experiment, **ACTIVE})
    runs = (
        MlflowRun(
            run,
            name,
            status or "",
            start,
            end,
            params[run],
            tags[run],
            artifacts=local_artifacts(artifacts or "", folder),
        )
        for run, name, status, start, end, artifacts in lines
    )
    return sorted(runs, key=order)


def _points(connection: Connection, experiment: int, positions: dict[str, int]) -> Iterator[Point]:
    """Yield the values of all metrics of active runs."""
    fields = ["run_uuid", "key", "step", "timestamp", "value", "is_nan"]
    for run, key, step, time, value, is_nan in selected(
        connection, "metrics", fields, {"experiment_id": experiment}, "runs"
    ):
        if run in positions:
            yield positions[run], key, step, time, nan if is_nan else value


def _deleted(connection: Connection, experiment: int) -> list[str]:
    """Return a sentence on runs in MLflow's trash."""
    condition = {"experiment_id": experiment, "lifecycle_stage": "deleted"}
    number = len(list(selected(connection, "runs", ["run_uuid"], condition)))
    return [trash(number)] if number else []


def read(connection: Connection, address: str, place: str, wanted: str) -> Runs:
    """Return the runs of an experiment.

    Args:
        connection: Connection to the database.
        address: Address of the source, as the user named it.
        place: File or server.
        wanted: Name or id of the experiment; "" for the one that has runs.
    """
    if missing := [name for name in TABLES if name not in databases.tables(connection)]:
        raise AblateError(f"{masked(place)}: not a database of MLflow: no table {missing[0]}")
    ids = {
        str(key): (key, name) for key, name in selected(connection, "experiments", ["experiment_id", "name"], ACTIVE)
    }
    counts = Counter(str(key) for (key,) in selected(connection, "runs", ["experiment_id"], ACTIVE))
    names = {key: name for key, (_, name) in ids.items()}
    key, name = ids[choose(address, names, wanted, lambda key: counts[key])]
    runs = _runs(connection, key, Path(place).parent)
    positions = {run.run_id: position for position, run in enumerate(runs)}
    experiment = Experiment(address, place, name, _deleted(connection, key))
    return made(experiment, runs, _points(connection, key, positions))
