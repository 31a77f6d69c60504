"""SQL databases of Optuna and MLflow: their URLs, and which program's tables a database holds."""

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from sqlalchemy import URL, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ablation import extras
from ablation.addresses import with_driver
from ablation.errors import AblateError
from ablation.workspace import Workspace

VERSIONS = "alembic_version"  # the table in which both programs keep the version of their schema
LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")
PORTS = {"postgresql": "5432", "mysql": "3306", "mariadb": "3306"}
CONNECT_SECONDS = 5
TIMED_DRIVERS = ("psycopg", "psycopg2", "pymysql", "mysqldb")  # drivers that take connect_timeout
APART = f"both keep their version in a table {VERSIONS}"


def sqlite_url(path: Path) -> str:
    """Return the URL of the SQLite database at `path`, with the characters quoted that mean something in a URL.

    The driver is named because MLflow makes the parent folders of a plain sqlite:/// URL without unquoting them.
    Raises AblateError where the path is no text in UTF-8, for no URL of SQLAlchemy's can hold it.
    """
    try:
        return URL.create("sqlite+pysqlite", database=str(path.absolute())).render_as_string(hide_password=False)
    except UnicodeEncodeError:
        raise AblateError(
            f"{os.fsencode(path)!r}: no database can be opened there, for the path is no text in UTF-8; "
            "take another --workspace"
        ) from None


def is_database_error(error: Exception) -> bool:
    """Return whether SQLAlchemy raised what another error wraps."""
    return isinstance(error.__cause__, SQLAlchemyError)


class Place(NamedTuple):
    """Identity of a database, however its URL is spelled. `schema`: PostgreSQL's search path, where the URL sets it."""

    kind: str
    host: str
    port: str
    name: str
    schema: str


def _parsed(url: str) -> URL | None:
    """Return None where `url` is the address of no SQL database."""
    try:
        return make_url(with_driver(url))
    except (ArgumentError, ValueError):
        return None


def _file(url: URL) -> Path | None:
    """Return the file of an SQLite database; None where it is kept in memory."""
    name = url.database or ""
    if name.startswith("file:") and "uri" in url.query:
        name = unquote(name.removeprefix("file:"))
    return None if name in ("", ":memory:") else Path(name).resolve()


def absolute_url(url: str) -> str:
    """Return a URL that means the same database in whatever folder a process stands."""
    found = _parsed(url)
    if (
        found
        and found.get_backend_name() == "sqlite"
        and _file(found)
        and not (found.database or "").startswith("file:")
    ):
        found = found.set(database=os.path.abspath(found.database or ""))
        return found.render_as_string(hide_password=False)
    return with_driver(url)


def _one(value: object) -> str:
    """Return a query's value as text; it is a tuple where the key stands there several times."""
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value or "")


def _host(url: URL) -> str:
    host = (url.host or _one(url.query.get("host")) or os.environ.get("PGHOST", "") or LOCAL_HOSTS[0]).lower()
    return LOCAL_HOSTS[0] if host in LOCAL_HOSTS or host.startswith("/") else host  # a socket's folder is local, too


def _place(url: str) -> Place | None:
    """Return None where `url` is the address of no SQL database, or of one in memory."""
    found = _parsed(url)
    if found is None:
        return None
    kind = found.get_backend_name()
    if kind == "sqlite":
        file = _file(found)
        return Place(kind, "", "", str(file), "") if file else None
    port = str(found.port or "") or _one(found.query.get("port")) or os.environ.get("PGPORT", "") or PORTS.get(kind, "")
    options = _one(found.query.get("options"))
    return Place(kind, _host(found), port, found.database or "", options if "search_path" in options else "")


def _named(option: str, url: str | None, default: Path) -> str:
    """Return what a user calls a database: the option that names it, or the workspace's own file."""
    return option if url else f"the workspace's own {default.name}"


def need_driver(option: str, url: str | None) -> None:
    """Refuse a database on PostgreSQL where no driver is installed. Raises AblateError."""
    if url and with_driver(url).startswith("postgresql+psycopg:"):
        extras.need("postgres", f"{option}: PostgreSQL")


def refuse_shared(workspace: Workspace, storage: str | None, tracking: str | None) -> None:
    """Refuse one database for Optuna and MLflow, whichever of them is the workspace's own. Raises AblateError."""
    optuna, mlflow = storage or sqlite_url(workspace.optuna), tracking or sqlite_url(workspace.mlflow)
    if (place := _place(optuna)) and place == _place(mlflow):
        first = _named("--storage", storage, workspace.optuna)
        second = _named("--tracking (or MLFLOW_TRACKING_URI)", tracking, workspace.mlflow)
        raise AblateError(
            f"{first} and {second} are one database, {place.name}; Optuna and MLflow cannot share it ({APART}): "
            "give each a database of its own"
        )


def _connect_arguments(url: URL) -> dict[str, int]:
    timed = url.drivername.partition("+")[2] in TIMED_DRIVERS
    return {"connect_timeout": CONNECT_SECONDS} if timed else {}


def _owner(url: str) -> str:
    """Return the program whose schema a database holds; "" where it holds none, or cannot be read now."""
    found = _parsed(url)
    file = _file(found) if found and found.get_backend_name() == "sqlite" else None
    if found is None or (file and not file.is_file()):  # connecting would make the file
        return ""
    try:
        engine = create_engine(found, poolclass=NullPool, connect_args=_connect_arguments(found))
        with engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            names: list[str] = []
            if VERSIONS in tables:
                names += map(str, connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalars())
    except (SQLAlchemyError, ImportError, OSError):  # away, or no driver: whoever needs it says so
        return ""
    if not names:
        return ""
    if all(re.match(r"v\d+\.\d+", name) for name in names):  # MLflow's, and those of most programs, are hexadecimal
        return "Optuna"
    return "MLflow" if {"experiments", "runs", "latest_metrics"} <= tables else "another program"


def _refuse_foreign(option: str, url: str, program: str) -> None:
    need_driver(option, url)
    owner = _owner(url)
    if owner and owner != program:
        raise AblateError(
            f"{option}: this database belongs to {owner}, which {program} cannot share ({APART}): "
            f"give {program} a database of its own"
        )


def refuse_foreign_storage(workspace: Workspace, storage: str | None) -> None:
    """Refuse a database for Optuna that holds another program's schema. Raises AblateError."""
    name = _named("--storage", storage, workspace.optuna)
    _refuse_foreign(name, storage or sqlite_url(workspace.optuna), "Optuna")


def refuse_foreign_tracking(workspace: Workspace, tracking: str | None) -> None:
    """Refuse a database for MLflow that holds another program's schema. Raises AblateError."""
    name = _named("--tracking (or MLFLOW_TRACKING_URI)", tracking, workspace.mlflow)
    _refuse_foreign(name, tracking or sqlite_url(workspace.mlflow), "MLflow")
