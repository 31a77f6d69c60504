"""Databases that are only read: SQLite from a private copy, a server in a transaction that cannot write."""

import contextlib
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sqlalchemy import URL, Connection, NullPool, column, create_engine, inspect, make_url, select, table
from sqlalchemy.exc import SQLAlchemyError

from ablation.errors import AblateError
from ablation.urls import first_line, masked, with_driver

SQLITE = re.compile(r"sqlite(\+\w+)?:///")
SERVERS = re.compile(r"(postgres(ql)?|mysql|mariadb)(\+\w+)?://")
MAGIC = b"SQLite format 3\0"
LOCK_SECONDS = 10
BATCH = 10_000  # lines that are in memory at a time
CONNECT_ARGUMENTS = {"psycopg": {"connect_timeout": 10}, "psycopg2": {"connect_timeout": 10}}  # driver -> arguments
DRIVERS = {"postgresql": "pip install 'ablate-table[postgres]'", "mysql": "pip install PyMySQL (mysql+pymysql://...)"}


def split_path(text: str) -> tuple[Path, str]:
    """Return the longest part of a path that exists, and the text behind that part: "runs.db/study" -> runs.db, study.

    Raises AblateError where no part but a root or the working directory exists.
    """
    stripped = re.sub(r"^file:(//)?", "", SQLITE.sub("", text))
    plain = stripped if Path(stripped).exists() else unquote(stripped).partition("?")[0]
    path = Path(os.path.expanduser(plain))
    nearest = next((place for place in (path, *path.parents) if place.exists()), Path())
    if not plain or (nearest != path and nearest in (Path(), Path(path.anchor))):
        raise AblateError(f"{masked(text)}: no such file or folder")
    return nearest, "/".join(path.parts[len(nearest.parts) :])


def is_sqlite(path: Path) -> bool:
    """Return whether a file begins as an SQLite database does."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _copy_files(path: Path, copy: Path) -> None:
    """Copy a database with its logs. SQLite recovers the copy, and leaves the source as it is."""
    for suffix in ("", "-wal", "-journal"):
        if Path(f"{path}{suffix}").exists():
            shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")


def _back_up(path: Path, copy: Path) -> None:
    """Copy a database that other programs may be writing, by SQLite's backup.

    The read transaction of the source excludes a writer that would make the backup wait without end.
    """
    connect = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=LOCK_SECONDS, isolation_level=None)
    with contextlib.closing(connect) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(target)


def _copy(path: Path, copy: Path) -> None:
    """Copy a database; the files of the source do not change, and no file appears in their folder."""
    with open(path, "rb") as file:
        uses_log = file.read(20)[18:20] == b"\2\2"
    if uses_log and not Path(f"{path}-shm").exists():  # no program has the database open, and SQLite would create files
        return _copy_files(path, copy)
    try:
        _back_up(path, copy)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise AblateError(f"{path}: locked by another program; end that program and try again") from None
        copy.unlink(missing_ok=True)
        _copy_files(path, copy)  # the journal of a program that died: a reader may not roll the source back


@contextlib.contextmanager
def _connected(name: str, url: URL, **execution: Any) -> Iterator[Connection]:
    """Yield a connection. Raises AblateError, under `name`, where the database or its driver fails."""
    try:
        arguments = CONNECT_ARGUMENTS.get(url.drivername.partition("+")[2], {})
        engine = create_engine(url, poolclass=NullPool, connect_args=arguments)
        with engine.connect() as connection:
            yield connection.execution_options(**execution)
    except SQLAlchemyError as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise AblateError(f"{name}: {first_line(cause)}") from None
    except ModuleNotFoundError as error:
        way = DRIVERS.get(url.get_backend_name(), f"install {error.name}")
        raise AblateError(f"{name}: the driver {error.name} is missing: {way}") from None


@contextlib.contextmanager
def opened_file(path: Path) -> Iterator[Connection]:
    """Yield a connection to a private copy of an SQLite database."""
    if not is_sqlite(path):
        raise AblateError(f"{path}: not an SQLite database")
    with tempfile.TemporaryDirectory(prefix="ablate-import-") as place:
        copy = Path(place) / "copy.db"
        try:
            _copy(path.resolve(), copy)
        except (OSError, sqlite3.Error) as error:
            raise AblateError(f"{path}: {first_line(error)}") from None
        with _connected(str(path), URL.create("sqlite+pysqlite", database=str(copy))) as connection:
            yield connection


def split_server(address: str) -> tuple[str, str]:
    """Return the URL of a database server and the text behind the name of its database."""
    location, mark, query = address.partition("?")
    scheme, _, place = location.partition("://")
    host, _, path = place.partition("/")
    database, _, remainder = path.partition("/")
    query, _, behind = query.partition("/")
    return f"{scheme}://{host}/{database}{mark}{query}", unquote(remainder or behind)


@contextlib.contextmanager
def opened_server(url: str) -> Iterator[Connection]:
    """Yield a connection to PostgreSQL or MySQL, in one read-only transaction."""
    name = masked(url)
    try:
        parsed = make_url(with_driver(url))
    except (SQLAlchemyError, ValueError):
        raise AblateError(f"{name}: not the URL of a database: DIALECT://USER:PASSWORD@HOST/DATABASE") from None
    execution: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with _connected(name, parsed, **execution) as connection:
        yield connection


def tables(connection: Connection) -> set[str]:
    """Return the names of the tables of a database."""
    return set(inspect(connection).get_table_names())


def columns(connection: Connection, name: str) -> set[str]:
    """Return the names of the columns of a table."""
    return {field["name"] for field in inspect(connection).get_columns(name)}


def selected(
    connection: Connection, name: str, fields: Sequence[str], equal: Mapping[str, object], through: str = ""
) -> Iterator[tuple[Any, ...]]:
    """Yield lines of a table, a batch in memory at a time.

    Args:
        connection: Connection to the database.
        name: Name of the table.
        fields: Columns of a line. The first is the key by which `through` selects.
        equal: Column -> value that selected lines have.
        through: Table whose column has the value instead; its lines of the same key are selected.
    """
    source = table(name, *(column(field) for field in dict.fromkeys([*fields, *equal])))
    parent = table(through, column(fields[0]), *(column(field) for field in equal)) if through else source
    conditions = [parent.c[field] == value for field, value in equal.items()]
    statement = select(*(source.c[field] for field in fields))
    if through:
        statement = statement.where(source.c[fields[0]].in_(select(parent.c[fields[0]]).where(*conditions)))
    else:
        statement = statement.where(*conditions)
    for line in connection.execution_options(yield_per=BATCH).execute(statement):
        yield tuple(line)
