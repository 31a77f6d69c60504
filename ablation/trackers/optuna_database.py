"""Optuna's database: opened, or rebuilt where a loss of power broke the workspace's own."""

from collections.abc import Callable

from sqlalchemy.exc import DatabaseError

from ablation.errors import AblateError
from ablation.store import aliases
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.trackers import databases, optuna_study
from ablation.trackers.optuna_study import OptunaStudy
from ablation.urls import first_line, with_driver


def open_study(storage: str | None, workspace: Workspace, record: Record, say: Callable[[str], None]) -> OptunaStudy:
    """Return Optuna's study. `storage`: URL of its database; None for the workspace's own, which is rebuilt if broken.

    Raises AblateError where the database cannot be opened.
    """
    try:
        return _open(storage, workspace, record)
    except DatabaseError as error:
        if storage or not databases.is_broken(error):
            raise _not_opened(error) from None
    broken = workspace.optuna.with_name("optuna-broken.db")
    workspace.optuna.replace(broken)
    say(f"note: {workspace.optuna} was broken, and is rebuilt from the results; the old file is {broken}")
    return _open(storage, workspace, record)


def _open(storage: str | None, workspace: Workspace, record: Record) -> OptunaStudy:
    try:
        url = with_driver(storage) if storage else optuna_study.create(workspace.optuna)
        return OptunaStudy(url, record, storage is not None, aliases.read(workspace))
    except (AblateError, DatabaseError):
        raise
    except Exception as error:  # any error of SQLAlchemy and its drivers
        if isinstance(error.__cause__, DatabaseError):
            raise error.__cause__ from None
        raise _not_opened(error) from None


def _not_opened(error: Exception) -> AblateError:
    """Return the error for a database that cannot be opened; its URL may contain a password, and is not shown."""
    reason = first_line(error) or type(error).__name__
    return AblateError(f"--storage: Optuna's database cannot be opened ({reason[:200]})")
