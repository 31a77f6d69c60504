"""Local copies of a workspace's databases: on network file systems, SQLite loses data."""

import hashlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from ablation.store.files import atomic, on_network
from ablation.store.workspace import Workspace


@contextmanager
def local_copies(workspace: Workspace, say: Callable[[str], None]) -> Iterator[Workspace]:
    """Yield the workspace, with local copies of its databases where it is on a network file system.

    At the end they are copied back and deleted. What a process that was killed did not copy back is rebuilt from files.

    Args:
        workspace: the workspace, whose lock this process holds.
        say: receives a note for the user.
    """
    if not on_network(workspace.root):
        yield workspace
        return
    digest = hashlib.sha256(str(workspace.root.resolve()).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"ablate-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    local = replace(workspace, databases=folder)
    say(
        f"note: {workspace.root} is on a network file system; Optuna's and MLflow's databases are in {folder} during "
        "this command, and copied back at its end"
    )
    pairs = [(workspace.optuna, local.optuna), (workspace.mlflow, local.mlflow)]
    for stored, copy in pairs:
        copy.unlink(missing_ok=True)
        _copy(stored, copy)
    try:
        yield local
    finally:
        for stored, copy in pairs:
            _copy(copy, stored)
        shutil.rmtree(folder, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy an SQLite database, also while a process writes to it; nothing where there is none."""
    if not source.is_file():
        return
    with (
        atomic(target) as temporary,
        closing(sqlite3.connect(source)) as opened,
        closing(sqlite3.connect(temporary)) as copy,
    ):
        opened.backup(copy)
