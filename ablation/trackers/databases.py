"""SQL databases of Optuna and MLflow: their URLs, and which program's tables a database holds."""

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from sqlalchemy import URL, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ablation import extras
from ablation.errors import AblateError
from ablation.store.workspace import Workspace
from ablation.urls import with_driver

VERSIONS = "alembic_version"  # the table in which both programs keep the version of their schema
LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")
PORTS = {"postgresql": "5432", "mysql": "3306", "mariadb": "3306"}
CONNECT_SECONDS = 5
TIMED_DRIVERS = ("psycopg", "psycopg2", "pymysql", "mysqldb")  # drivers that take connect_timeout
APART = f"both keep their version in a table {VERSIONS}"


def sqlite_url(path: Path) -> str:
    """Return the URL of the SQLite database at `path`, with special characters quoted.

    The URL names the driver, because MLflow creates the parent folders of a plain sqlite:/// URL without unquoting.
    Raises AblateError where the path is not UTF-8 text, because no URL of SQLAlchemy can contain such a path.
    """
    try:
        return URL.create("sqlite+pysqlite", database=str(path.absolute())).render_as_string(hide_password=False)
    except UnicodeEncodeError:
        raise AblateError(
            f"{os.fsencode(path)!r}: no database can be opened there, because the path is not UTF-8; choose "
            "another --workspace"
        ) from None


def is_database_error(error: Exception) -> bool:
    """Return whether an error wraps an error of SQLAlchemy."""
    return isinstance(error.__cause__, SQLAlchemyError)


class Place(NamedTuple):
    """Identity of a database, for any spelling of its URL. `schema`: PostgreSQL's search path, if the URL sets one."""

    kind: str
    host: str
    port: str
    name: str
    schema: str


def _parsed(url: str) -> URL | None:
    """Return the parsed URL; None where `url` is not the URL of an SQL database."""
    try:
        return make_url(with_driver(url))
    except (ArgumentError, ValueError):
        return None


def _file(url: URL) -> Path | None:
    """Return the file of an SQLite database; None where the database is in memory."""
    name = url.database or ""
    if name.startswith("file:") and "uri" in url.query:
        name = unquote(name.removeprefix("file:"))
    return None if name in ("", ":memory:") else Path(name).resolve()


def absolute_url(url: str) -> str:
    """Return a URL that means the same database in every working directory."""
    parsed = _parsed(url)
    if (
        parsed
        and parsed.get_backend_name() == "sqlite"
        and _file(parsed)
        and not (parsed.database or "").startswith("file:")
    ):
        parsed = parsed.set(database=os.path.abspath(parsed.database or ""))
        return parsed.render_as_string(hide_password=False)
    return with_driver(url)


def _one(value: object) -> str:
    """Return the value of a query parameter as text. The value is a tuple where the URL repeats the parameter."""
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value or "")


def _host(url: URL) -> str:
    host = (url.host or _one(url.query.get("host")) or os.environ.get("PGHOST", "") or LOCAL_HOSTS[0]).lower()
    return LOCAL_HOSTS[0] if host in LOCAL_HOSTS or host.startswith("/") else host  # "/...": a socket, which is local


def _place(url: str) -> Place | None:
    """Return the identity of a database; None where `url` is not the URL of an SQL database, or is in memory."""
    parsed = _parsed(url)
    if parsed is None:
        return None
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        file = _file(parsed)
        return Place(kind, "", "", str(file), "") if file else None
    port = (
        str(parsed.port or "") or _one(parsed.query.get("port")) or os.environ.get("PGPORT", "") or PORTS.get(kind, "")
    )
    options = _one(parsed.query.get("options"))
    return Place(kind, _host(parsed), port, parsed.database or "", options if "search_path" in options else "")


def _named(option: str, url: str | None, default: Path) -> str:
    """Return the name of a database for users: the option that sets the database, or the workspace's own file."""
    return option if url else f"the workspace's own {default.name}"


def need_driver(option: str, url: str | None) -> None:
    """Raise AblateError where a database is on PostgreSQL and no driver is installed."""
    if url and with_driver(url).startswith("postgresql+psycopg:"):
        extras.need("postgres", f"{option}: PostgreSQL")


def refuse_shared(workspace: Workspace, storage: str | None, tracking: str | None) -> None:
    """Raise AblateError where Optuna and MLflow would use the same database; None means the workspace's own."""
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
    """Return the program whose schema a database has; "" where there is none, or the database is unreadable now."""
    parsed = _parsed(url)
    file = _file(parsed) if parsed and parsed.get_backend_name() == "sqlite" else None
    if parsed is None or (file and not file.is_file()):  # connecting would create the file
        return ""
    try:
        engine = create_engine(parsed, poolclass=NullPool, connect_args=_connect_arguments(parsed))
        with engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            names: list[str] = []
            if VERSIONS in tables:
                names += map(str, connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalars())
    except (SQLAlchemyError, ImportError, OSError):  # unavailable, or no driver: opening the database reports it later
        return ""
    if not names:
        return ""
    if all(re.match(r"v\d+\.\d+", name) for name in names):  # versions of MLflow and most programs are hexadecimal
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
    """Raise AblateError where the database for Optuna has the schema of another program."""
    name = _named("--storage", storage, workspace.optuna)
    _refuse_foreign(name, storage or sqlite_url(workspace.optuna), "Optuna")


def refuse_foreign_tracking(workspace: Workspace, tracking: str | None) -> None:
    """Raise AblateError where the database for MLflow has the schema of another program."""
    name = _named("--tracking (or MLFLOW_TRACKING_URI)", tracking, workspace.mlflow)
    _refuse_foreign(name, tracking or sqlite_url(workspace.mlflow), "MLflow")
