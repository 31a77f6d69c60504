"""Broken databases of a workspace: recognised, and set aside, since they are rebuilt from files."""

import itertools
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

WAIT = 60.0  # seconds for another process that holds the database
BELONGING = ("-journal", "-wal", "-shm")  # files of SQLite, which it would apply to a new database of the same name
DAMAGED = ("malformed", "not a database")  # what SQLite says of a damaged file, and not of one that is locked


def is_broken(path: Path) -> bool:
    """Return whether a file is no SQLite database, or a damaged one. One that is missing or locked is not broken."""
    if not path.exists():
        return False
    if not path.is_file() or path.stat().st_size == 0:
        return True
    try:
        with closing(sqlite3.connect(path, timeout=WAIT)) as database:
            return bool(database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.DatabaseError as error:
        return any(words in str(error) for words in DAMAGED)


def set_aside(path: Path, say: Callable[[str], None]) -> bool:
    """Rename a broken database, and say so to the user. Return whether it was broken.

    Args:
        path: Database of the workspace.
        say: Receives a note for the user.
    """
    if not is_broken(path):
        return False
    names = (f"{path.stem}-broken{number}{path.suffix}" for number in itertools.chain([""], itertools.count(2)))
    broken = next(p for name in names if not (p := path.with_name(name)).exists())
    path.rename(broken)
    for suffix in BELONGING:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(broken.with_name(broken.name + suffix))
    say(f"note: {path} was broken, and is rebuilt from the results; the old file is {broken}")
    return True
