"""Optuna's and MLflow's SQLite files break before a run and in the middle of one: the table is the undisturbed one,
a message says so, and both databases are rebuilt from files."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from command_study import STUDY
from conftest import in_process, until
from fault_series import WHOLE, Series
from mlflow import MlflowClient

from ablation.trackers.databases import sqlite_url

WHEN = BEFORE, MIDDLE = "before a run", "in the middle of a run"
LOCKED = 30 if WHOLE else 2  # seconds
SCRIPT = """
import json, pathlib, sys, time
folder, width, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if (width, seed) == (2, 0) and pathlib.Path("wait").exists():
    pathlib.Path("now").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
score = width + seed / 8
json.dump({"val_score": score, "test_score": -score}, open(folder + "/metrics.json", "w"))
"""
RUN = ("run", "mine.toml", "--inline", "-q")


def deleted(path: Path) -> None:
    path.unlink()


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garbage(path: Path) -> None:
    path.write_bytes(b"no database " * 10_000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def folder(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def table(path: Path) -> None:
    """Garbage in the pages of the tables; the head of the file is that of a database."""
    content = bytearray(path.read_bytes())
    content[4096:] = b"\\xa5" * (len(content) - 4096)
    path.write_bytes(content)


def locked(path: Path) -> None:
    """Hold the database by another process for some time."""
    code = (
        f"import sqlite3, time; held = sqlite3.connect({str(path)!r}, timeout=60); held.execute('BEGIN EXCLUSIVE'); "
        f"print('held', flush=True); time.sleep({LOCKED})"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert holder.stdout
    holder.stdout.readline()


DAMAGES = (deleted, truncated, garbage, empty, folder, table, locked)
Damage = Callable[[Path], None]


def prepare(place: Path) -> Path:
    place.mkdir(exist_ok=True)
    (place / "train.py").write_text(SCRIPT)
    (place / "mine.toml").write_text(STUDY)
    return place


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, object]:
    """Return the table of a study whose databases did not break, and their content."""
    place = prepare(tmp_path_factory.mktemp("undisturbed"))
    done = in_process(*RUN, cwd=place)
    assert done.returncode == 0, done.stderr
    return (place / "runs/mine/table.csv").read_bytes(), finished(place)


def in_optuna(place: Path) -> Counter[str]:
    study = optuna.load_study(study_name="mine", storage=sqlite_url(place / "runs/optuna.db"))
    return Counter(
        f"{t.user_attrs['row']} {t.user_attrs['seed']} {t.state.name}"
        for t in study.get_trials()
        if t.state.name != "FAIL"
    )


def in_mlflow(place: Path) -> Counter[str]:
    client = MlflowClient(sqlite_url(place / "runs/mlflow.db"))
    experiment = client.get_experiment_by_name("ablate")
    assert experiment
    return Counter(run.info.status for run in client.search_runs([experiment.experiment_id]))


def finished(place: Path) -> tuple[Counter[str], Counter[str]]:
    """Return the trials of Optuna and the runs of MLflow, as often as each is stored."""
    return in_optuna(place), in_mlflow(place)


def damage_in_the_middle(place: Path, path: Path, damage: Damage) -> threading.Thread:
    """Damage a database while the second training runs."""
    (place / "wait").touch()

    def work() -> None:
        until(lambda: (place / "now").exists() and path.exists())
        damage(path)
        (place / "go").touch()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


EACH = [(damage, name, when) for damage in DAMAGES for name in ("optuna.db", "mlflow.db") for when in WHEN]
FEW = [
    (table, "optuna.db", BEFORE),
    (garbage, "mlflow.db", BEFORE),
    (truncated, "mlflow.db", MIDDLE),
    (locked, "optuna.db", MIDDLE),
]


@pytest.mark.parametrize(("damage", "name", "when"), EACH if WHOLE else FEW)
def test_a_database_of_the_workspace(
    tmp_path: Path, damage: Damage, name: str, when: str, undisturbed: tuple[bytes, object]
):
    """The run ends well, or as `ablate sync` says; each trial is in both databases once."""
    place = prepare(tmp_path)
    path, threads = place / "runs" / name, []
    if when == BEFORE:
        (place / "mine.toml").write_text(STUDY.replace("width = [2, 3]", "width = [2]"))
        assert in_process(*RUN, cwd=place).returncode == 0
        (place / "mine.toml").write_text(STUDY)
        damage(path)
    else:
        threads.append(damage_in_the_middle(place, path, damage))
    done = in_process(*RUN, cwd=place)
    for thread in threads:
        thread.join()
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    synced = in_process("sync", cwd=place)
    assert synced.returncode == 0, synced.stderr
    printed = done.stderr + synced.stderr
    assert (f"{path.relative_to(place)} was broken, and is rebuilt" in printed) == (damage not in (deleted, locked))
    assert ((place / "runs/mine/table.csv").read_bytes(), finished(place)) == undisturbed
    Series("a database of the workspace deleted, cut, overwritten, empty, a folder, or locked for 30 s", 1).record()
