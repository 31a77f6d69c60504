"""Runs of a live server of MLflow, of a real store of MLflow 3, and trials of Optuna in PostgreSQL."""

import contextlib
import sqlite3
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import optuna
import pandas as pd
import pytest
from conftest import until
from mlflow import MlflowClient
from optuna.storages import RDBStorage
from services import SECRET, free_port, postgres, process
from store_samples import LARGEST, add_run, content

from ablation.errors import AblateError
from ablation.sources.readers import mlflow_server, mlflow_store, optuna_store
from ablation.sources.readers.mlflow_runs import choose
from ablation.sources.runs import Runs

pytestmark = pytest.mark.services
RUNS = 1200
LONG = 300  # points of a metric of a hundred runs: more than the server answers at a time


def fill(database: sqlite3.Connection, experiment: int, numbers: range) -> None:
    """Runs of a sweep: a short history, one value, and for a hundred runs a long history."""
    points = []
    for number in numbers:
        key = f"{number:032x}"
        add_run(
            database, key, experiment, start=1_000_000 + number, status="FAILED" if number % 100 == 7 else "FINISHED"
        )
        database.execute("INSERT INTO params VALUES ('seed', ?, ?)", [str(number), key])
        database.execute("INSERT INTO tags VALUES ('user', 'me', ?)", [key])
        points += [("acc", number + step / 10, step, key, step, 0) for step in range(3)]
        points.append(("loss", LARGEST if number == 1 else 0.0, 5, key, 0, number == 0))
        if number < 100:
            points += [("long", float(step), step, key, step, 0) for step in range(LONG)]
    database.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", points)
    last = {(key, run): (key, value, time, step, is_nan, run) for key, value, time, run, step, is_nan in points}
    database.executemany("INSERT INTO latest_metrics VALUES (?, ?, ?, ?, ?, ?)", last.values())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that MLflow 3 has made."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    client = MlflowClient(f"sqlite:///{path}")
    numbers = {"team/sweep": range(RUNS), "few": range(RUNS, RUNS + 2), "empty": range(0)}
    experiments = {name: int(client.create_experiment(name)) for name in numbers}
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for name, experiment in experiments.items():
            fill(database, experiment, numbers[name])
    return path


@pytest.fixture(scope="module")
def address(store: Path) -> Iterator[str]:
    """Start a server of that database, and yield its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--backend-store-uri", f"sqlite:///{store}", "--port", str(port), "--workers", "1"]
    command = [str(Path(sys.executable).parent / "mlflow"), "server", *options]

    def answers() -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    with process(
        store.parent,
        "server",
        *command,
        more={"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    ):
        until(answers)
        yield url


def compare(first: Runs, second: Runs) -> None:
    """Assert that both hold the same lines and the same points."""
    pd.testing.assert_frame_equal(first.frame, second.frame)
    assert first.curves is not None
    assert second.curves is not None
    pd.testing.assert_frame_equal(first.curves, second.curves)
    assert [*first.files.values()] == [*second.files.values()]


def test_a_store_of_mlflow_3_is_read_and_not_changed(store: Path):
    """All runs and all points of a database that MLflow made are read."""
    before = content(store.parent)["mlflow.db"]
    runs = mlflow_store.read(f"{store}/team/sweep")
    assert len(runs.frame) == RUNS
    assert runs.frame["params.seed"].tolist() == list(range(RUNS))
    assert (runs.frame["status"] == "failed").sum() == RUNS / 100
    assert runs.curves is not None
    assert runs.curves["metric"].value_counts().to_dict() == {"acc": 3 * RUNS, "loss": RUNS, "long": 100 * LONG}
    assert content(store.parent)["mlflow.db"] == before


def test_a_server_gives_what_its_database_holds(store: Path, address: str):
    """1,200 runs come by pages, and their histories a hundred runs at a time, in halves where one answer is cut."""
    runs = mlflow_store.read(f"{address}/team/sweep")
    assert len(runs.frame) == RUNS
    compare(runs, mlflow_store.read(f"{store}/team/sweep"))


def test_a_server_without_charts_gives_the_same(store: Path, address: str, monkeypatch: pytest.MonkeyPatch):
    """Histories come one at a time where the server has no request for several."""
    monkeypatch.setattr(mlflow_server, "HISTORIES", "/ajax-api/2.0/mlflow/metrics/none")
    compare(mlflow_store.read(f"{address}/few"), mlflow_store.read(f"{store}/few"))


@pytest.mark.parametrize(
    "suffix", ["/team/sweep", "/team%2Fsweep", "/1", "/#/experiments/1", "/#/experiments/1/runs?x=y"]
)
def test_an_experiment_of_a_server_is_named(address: str, suffix: str):
    """An experiment is named by its name, its id, or the address of its page in the browser."""
    base, wanted, names = mlflow_server._connect(address + suffix)
    assert base == address
    assert choose(address, names, wanted, lambda _: 0) == "1"


def test_several_experiments_of_a_server_are_listed(address: str):
    """Experiments that have runs are listed with their numbers."""
    with pytest.raises(AblateError, match=r"several experiments.*'few' \(2 runs\), 'team/sweep' \(1200 runs\)$"):
        mlflow_store.read(address)


def test_a_server_that_does_not_answer_is_one_line(address: str, monkeypatch: pytest.MonkeyPatch):
    """The address is named, and a password in it is refused."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(AblateError, match=r"^http://127.0.0.1:\d+/x/y: "):
        mlflow_store.read(f"http://127.0.0.1:{free_port()}/x/y")
    with pytest.raises(AblateError, match="credentials in the environment"):
        mlflow_store.read(address.replace("//", "//me:secret@"))


def test_a_study_in_postgresql_is_read():
    """The same trials as in SQLite, in a transaction that cannot write; the password is in no message."""
    with postgres() as server:
        url = f"postgresql://ablate:{SECRET}@127.0.0.1:{server.port}/optuna"
        storage = RDBStorage(url.replace("postgresql:", "postgresql+psycopg:"))
        study = optuna.create_study(study_name="s", storage=storage)
        study.optimize(lambda t: float(t.suggest_categorical("act", ["relu", "tanh"]) == "relu"), n_trials=5)
        runs = optuna_store.read(f"{url}/s")
        assert runs.frame["value"].tolist() == (runs.frame["params.act"] == "relu").astype(float).tolist()
        assert len(runs.frame) == 5
        assert list(runs.files) == [url.replace(SECRET, "***")]
        with pytest.raises(AblateError, match="no study 't'") as refusal:
            optuna_store.read(f"{url}/t")
        assert SECRET not in str(refusal.value)
        with pytest.raises(AblateError, match=r"password authentication failed|ablate"):
            optuna_store.read(url.replace(SECRET, "wrong"))
        storage.engine.dispose()
