"""Two programs, two databases: one that Optuna and MLflow would share is refused before any work."""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ablate

from ablation import cli
from ablation.errors import AblateError
from ablation.store.files import TEMPORARY
from ablation.store.workspace import Workspace
from ablation.trackers import databases
from ablation.trackers import mlflow_sender as tracking
from ablation.trackers import optuna_study as views_study

pytestmark = pytest.mark.services

ONE = "are one database"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(Path("runs"))


@pytest.mark.parametrize(
    ("storage", "tracking"),
    [
        ("sqlite:///one.db", "sqlite:///one.db"),
        ("sqlite:///one.db", "sqlite:///./x/../one.db"),
        ("sqlite:///one.db", "sqlite+pysqlite:///one.db?timeout=30"),
        ("sqlite:///one.db", "sqlite:///{here}/one.db"),
        ("sqlite:///a%20b.db", "sqlite:///{here}/a b.db"),
        ("sqlite:///file:one.db?uri=true", "sqlite:///one.db"),
        ("sqlite:///runs/mlflow.db", None),
        ("sqlite:///{here}/runs/mlflow.db", None),
        (None, "sqlite:///runs/optuna.db"),
        ("postgres://u@db/x", "postgresql+psycopg://u@db:5432/x"),
        ("postgresql://u@db/x", "postgresql://other:secret@DB/x?connect_timeout=3"),
        ("postgresql:///x?host=/run/postgresql", "postgresql+psycopg2://localhost/x"),
        ("postgresql://127.0.0.1/x", "postgresql://[::1]:5432/x"),
        ("mysql+pymysql://u@db/x", "mysql://u@db:3306/x"),
    ],
)
def test_one_database_is_known_however_it_is_spelled(workspace: Workspace, storage: str | None, tracking: str | None):
    """Drivers, users, ports, hosts, queries and relative paths make no other database, and a password is not said."""
    here = Path.cwd()
    with pytest.raises(AblateError, match=f"{ONE}.*alembic_version.*give each a database of its own") as refused:
        databases.refuse_shared(
            workspace, storage and storage.format(here=here), tracking and tracking.format(here=here)
        )
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("storage", "tracking"),
    [
        (None, None),
        ("sqlite:///a.db", "sqlite:///b.db"),
        ("sqlite:///one.db", None),
        ("sqlite:///one.db", "http://127.0.0.1:5000"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql://u@db/x", "postgresql://u@db/y"),
        ("postgresql://u@db/x", "postgresql://u@db:5433/x"),
        ("postgresql://u@db/x", "postgresql://u@other/x"),
        ("postgresql://u@db/x?options=-csearch_path=a", "postgresql://u@db/x?options=-csearch_path=b"),
        ("postgresql://u@db/x", "mysql://u@db/x"),
        ("no address", "no address"),
        ("sqlite:///one.db", "mlruns"),
    ],
)
def test_two_databases_are_two(workspace: Workspace, storage: str | None, tracking: str | None):
    """Two schemas of one PostgreSQL database are, too."""
    databases.refuse_shared(workspace, storage, tracking)


def test_a_run_on_one_database_is_refused_before_anything_is_written(tmp_path: Path, study_file: Path, npz: Path):
    """The address may come from MLFLOW_TRACKING_URI; one line, exit code 2."""
    command = ("run", "--grid", study_file, "--data", npz, "--storage", "sqlite:///one.db")
    done = ablate(*command, cwd=tmp_path, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/one.db")
    assert (done.returncode, len(done.stderr.splitlines()), ONE in done.stderr) == (2, 1, True), done.stderr
    assert "--storage and --tracking (or MLFLOW_TRACKING_URI)" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == [study_file.name]


def test_a_database_that_the_other_program_uses_is_refused(workspace: Workspace, study_file: Path, npz: Path,
                                                           capsys: pytest.CaptureFixture[str]):  # fmt: skip
    """A database of the other program is refused with its owner, before any work, for each command that would use
    it."""
    optunas, mlflows = views_study.create(Path("o.db")), tracking.create(Path("m.db"))
    databases.refuse_foreign_storage(workspace, optunas)
    databases.refuse_foreign_tracking(workspace, mlflows)
    run = ("run", "--grid", str(study_file), "--data", str(npz), "--inline")
    for arguments, whose in (
        ((*run, "--storage", mlflows), "belongs to MLflow, which Optuna cannot share"),
        ((*run, "--tracking", optunas), "belongs to Optuna, which MLflow cannot share"),
    ):
        code, printed = cli.run([*arguments]), capsys.readouterr().err
        assert (code, whose in printed) == (2, True), printed
    assert not list(Path().glob("runs/trained/*"))
    with pytest.raises(AblateError, match="belongs to Optuna"):
        tracking.connect(workspace, optunas, "s")
    workspace.root.mkdir(exist_ok=True)
    Path("o.db").rename(workspace.mlflow)
    with pytest.raises(AblateError, match=r"the workspace's own mlflow[.]db: this database belongs to Optuna"):
        databases.refuse_foreign_tracking(workspace, None)


@pytest.mark.parametrize("create", [views_study.create, tracking.create])
def test_a_database_that_a_dead_process_half_made_is_made_anew(workspace: Workspace, create: Callable[[Path], str]):
    """A temporary file of a dead process, which has the same process id in a container, is not built upon."""
    half = Path(f"{TEMPORARY}{os.getpid()}-x.db")
    with contextlib.closing(sqlite3.connect(half)) as made:
        made.execute("CREATE TABLE experiments (half INTEGER)")
        made.execute("CREATE TABLE studies (half INTEGER)")
    create(Path("x.db"))
    with contextlib.closing(sqlite3.connect("x.db")) as made:
        columns = [made.execute(f"PRAGMA table_info({table})").fetchall() for table in ("experiments", "studies")]
    assert sorted(bool(of_table) for of_table in columns) == [False, True]
    assert not any("half" in column for of_table in columns for column in of_table)
    assert not half.exists()


def test_a_database_that_is_away_is_not_judged(workspace: Workspace):
    """An unreachable database is not judged by a check; a file that does not exist is not created by it."""
    for url in ("postgresql://u@127.0.0.1:9/x", "sqlite:///new.db", "http://127.0.0.1:9", "oracle://u@db/x"):
        databases.refuse_foreign_tracking(workspace, url)
        databases.refuse_foreign_storage(workspace, url)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("url", "absolute"),
    [
        ("sqlite:///a%20b.db?timeout=30", "sqlite:///{here}/a b.db?timeout=30"),
        ("sqlite:////x/one.db", "sqlite:////x/one.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("mysql+pymysql://u:p@db/x", "mysql+pymysql://u:p@db/x"),
        ("mlruns", "mlruns"),
    ],
)
def test_a_database_is_the_same_from_every_folder(workspace: Workspace, url: str, absolute: str):
    """MLflow's server runs in another folder than its user."""
    assert databases.absolute_url(url) == absolute.format(here=Path.cwd())
