"""Reader of Optuna: a database, or a journal file."""

from ablation.errors import AblateError
from ablation.sources.readers import databases, optuna_database, optuna_journal
from ablation.sources.readers.stored import one_line
from ablation.sources.runs import Runs
from ablation.urls import masked


def _read(address: str) -> Runs:
    if databases.SERVERS.match(address):
        url, wanted = databases.split_server(address)
        with databases.opened_server(url) as connection:
            return optuna_database.read(connection, address, url, wanted)
    path, wanted = databases.split_path(address)
    if path.is_dir() and wanted:
        raise AblateError(f"{masked(address)}: no such file")
    if path.is_dir():
        raise AblateError(f"{path}: a folder; name a database or a journal file of Optuna")
    if not databases.is_sqlite(path):
        if optuna_journal.is_journal(path):
            return optuna_journal.read(path, address, wanted)
        raise AblateError(f"{path}: neither an SQLite database nor a journal file of Optuna")
    with databases.opened_file(path) as connection:
        return optuna_database.read(connection, address, str(path), wanted)


def read(address: str) -> Runs:
    """Return the trials of a study of Optuna.

    Args:
        address: URL[/STUDY] of a database (sqlite:///PATH, postgresql://..., mysql://...), or PATH[/STUDY] of an SQLite
            database or of a journal file. Without STUDY: the only one.

    Raises:
        AblateError: Nothing is there, or several studies are there.
    """
    with one_line(address, "Optuna"):
        return _read(address)
