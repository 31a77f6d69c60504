"""Runs without trackers, and on network file systems: results are complete, and Optuna and MLflow follow."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from conftest import TESTS
from optuna.trial import TrialState

from ablation import cli
from ablation.trackers import local_copies
from ablation.trackers.client import Client
from ablation.trackers.databases import sqlite_url
from ablation.workflows import clients
from ablation.workflows.run_options import RunOptions

STUDY = 'seeds = [0, 1]\n[experiment]\nplugin = "digits:"\n[factorial]\nwidth = [4, 6]\n'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a small study, and return the working folder."""
    monkeypatch.syspath_prepend(str(TESTS / "plugins"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(STUDY)
    return tmp_path


def n_complete(place: Path) -> int:
    study = optuna.load_study(study_name="mine", storage=sqlite_url(place / "runs" / "optuna.db"))
    return len(study.get_trials(states=(TrialState.COMPLETE,)))


def n_runs(place: Path) -> int:
    with sqlite3.connect(place / "runs" / "mlflow.db") as opened:
        return int(opened.execute("SELECT count(*) FROM runs").fetchone()[0])


def test_a_study_without_trackers_is_sent_later(place: Path, capsys: pytest.CaptureFixture[str]):
    """`--trackers none` opens no database; `ablate sync` sends all, and a second time nothing."""
    assert cli.run(["run", "mine.toml", "--inline", "-q", "--trackers", "none"]) == 0
    assert (place / "runs" / "mine" / "table.csv").is_file()
    assert not list((place / "runs").glob("*.db"))
    for _ in range(2):
        assert cli.run(["sync", "mine"]) == 0
        assert (n_complete(place), n_runs(place)) == (4, 5)
    assert capsys.readouterr().out.count("mine: Optuna and MLflow are up to date") == 2


def test_a_workspace_on_a_network_file_system_is_not_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The databases are in a local folder during the run, and in the workspace after it."""
    (place / "tmp").mkdir()
    monkeypatch.setattr(local_copies, "on_network", lambda path: True)
    monkeypatch.setattr("tempfile.tempdir", str(place / "tmp"))
    assert cli.run(["run", "mine.toml", "--inline", "-q"]) == 0
    assert (n_complete(place), n_runs(place)) == (4, 5)
    assert "network file system" in capsys.readouterr().err
    assert not list((place / "tmp").glob("ablate-*"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the studies whose databases a run has opened."""
    names: list[str] = []

    def note(options: RunOptions, *arguments: Any) -> list[Client]:
        names.append(options.name)
        return really(options, *arguments)

    really = clients.opened
    monkeypatch.setattr(clients, "opened", note)
    return names


def touched(place: Path) -> None:
    with sqlite3.connect(place / "runs" / "mlflow.db") as mlflow, mlflow:
        mlflow.execute("DELETE FROM metrics")


CHANGES: dict[str, Callable[[Path], object]] = {
    "no database of Optuna": lambda place: (place / "runs" / "optuna.db").unlink(),
    "a changed database": touched,
    "other titles": lambda place: (place / "mine.toml").write_text(f'title = "Other"\n{STUDY}'),
    "a torn note": lambda place: (place / "runs" / "mine" / "trackers.json").write_text("{"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_databases_are_opened_again_after_a_change_alone(place: Path, opened: list[str], change: str):
    """A run with nothing to do opens none while they and the files are as the last run left them."""
    command = ["run", "mine.toml", "--inline", "-q"]
    for _ in range(3):
        assert cli.run(command) == 0
    assert opened == ["mine"]
    CHANGES[change](place)
    for _ in range(2):
        assert cli.run(command) == 0
    assert opened == ["mine", "mine"]
    assert (n_complete(place), n_runs(place)) == (4, 5)


def test_a_run_that_sent_nothing_is_followed_by_one_that_does(place: Path, opened: list[str]):
    """A run without trackers, or with messages that a server does not take, notes nothing as sent."""
    assert cli.run(["run", "mine.toml", "--inline", "-q", "--trackers", "none"]) == 0
    assert not opened
    assert cli.run(["run", "mine.toml", "--inline", "-q", "--drain", "1s", "--tracking", "http://127.0.0.1:9"]) == 0
    assert cli.run(["run", "mine.toml", "--inline", "-q"]) == 0
    assert opened == ["mine", "mine"]
    assert (n_complete(place), n_runs(place)) == (4, 5)
