"""Reader of MLflow: a database, a folder of files (`mlruns`) or a server."""

import re

from ablation.sources.readers import databases, mlflow_database, mlflow_folder, mlflow_server
from ablation.sources.readers.stored import one_line
from ablation.sources.runs import Runs


def _read(address: str) -> Runs:
    if re.match(r"https?://", address):
        return mlflow_server.read(address)
    if databases.SERVERS.match(address):
        url, wanted = databases.split_server(address)
        with databases.opened_server(url) as connection:
            return mlflow_database.read(connection, address, url, wanted)
    path, wanted = databases.split_path(address)
    if path.is_dir():
        return mlflow_folder.read(path, address, wanted)
    with databases.opened_file(path) as connection:
        return mlflow_database.read(connection, address, str(path), wanted)


def read(address: str) -> Runs:
    """Return the runs of an experiment of MLflow.

    Args:
        address: URI[/EXPERIMENT]. URI is http(s)://..., sqlite:///PATH, postgresql://..., mysql://..., or the path of
            an mlflow.db or of an `mlruns` folder. Without EXPERIMENT (a name or an id): the one that has runs.

    Raises:
        AblateError: Nothing is there, or several experiments have runs.
    """
    with one_line(address, "MLflow"):
        return _read(address)
