"""Optuna's database: opened, or rebuilt where a loss of power broke the workspace's own."""

from collections.abc import Callable

from sqlalchemy.exc import DatabaseError

from ablation.errors import AblateError
from ablation.store import aliases
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.trackers import broken_database, optuna_study
from ablation.trackers.optuna_study import OptunaStudy
from ablation.urls import first_line, with_driver


def open_study(storage: str | None, workspace: Workspace, record: Record, say: Callable[[str], None]) -> OptunaStudy:
    """Return Optuna's study. `storage`: URL of its database; None for the workspace's own, which is rebuilt if broken.

    Raises AblateError where the database cannot be opened.
    """
    if not storage:
        broken_database.set_aside(workspace.optuna, say)
    try:
        return _open(storage, workspace, record)
    except DatabaseError as error:
        raise _not_opened(error) from None


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
