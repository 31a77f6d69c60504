"""The client of Optuna: a thread writes to the database, and a trial that is over costs one transaction."""

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
import synthetic
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import OperationalError

from ablation.outcomes import Status
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.trackers import optuna_study
from ablation.trackers.databases import sqlite_url
from ablation.trackers.local_copies import local_copies
from ablation.trackers.optuna_client import OptunaClient
from ablation.trackers.optuna_database import open_study
from ablation.trackers.optuna_study import OptunaStudy, create

EPOCHS = [{"epoch": 1, "val_accuracy": 0.4}, {"epoch": 2, "val_accuracy": 0.5}]
DONE = Result(Status.DONE, 2, scores={"val": {"accuracy": 0.5}}, history=EPOCHS)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    (tmp_path / "s.toml").write_text("[factorial]\ndropout = [0.0, 0.1]\n")
    return synthetic.record(study_file.read(str(tmp_path / "s.toml")), "i", {"given": "x"})


class Held(OptunaStudy):
    """An Optuna study whose first write waits until it is released, and which counts its transactions."""

    released: threading.Event
    writes: list[str]

    def begin(self, *arguments: object) -> None:
        self.released.wait()
        self.writes.append("begin")
        super().begin(*arguments)  # type: ignore[arg-type]

    def add_attempt(self, attempt: optuna_study.Attempt) -> None:
        self.writes.append("whole attempt")
        super().add_attempt(attempt)


def held(record: Record, place: Path) -> Held:
    study = Held(create(place / "optuna.db"), record)
    study.released, study.writes = threading.Event(), []
    return study


def stored(record: Record, place: Path) -> list[FrozenTrial]:
    return optuna.load_study(study_name=record.name, storage=sqlite_url(place / "optuna.db")).get_trials()


def test_what_waits_is_written_in_one_transaction_a_trial(record: Record, tmp_path: Path):
    """A trial that started and ended while another was written is one write, with its start, epochs and value."""
    study = held(record, tmp_path)
    client = OptunaClient(record, study)
    first, second = record.grid.trials()
    client.started(first, "a")
    for key, trial, result in (
        ("b", second, DONE),
        ("c", second, None),
        ("d", second, replace(DONE, outcome=Status.KILLED)),
    ):
        client.started(trial, key)
        client.epoch(key, EPOCHS[0])
        client.ended(key, result)
    client.epoch("a", EPOCHS[0])
    study.released.set()
    assert client.close(60) == 0
    assert sorted(study.writes) == ["begin", *["whole attempt"] * 3]
    trials = {trial.user_attrs["ablate.trial"]: trial for trial in stored(record, tmp_path)}
    assert trials["a"].state is TrialState.RUNNING
    assert trials["a"].intermediate_values == {1: 0.4}
    assert (trials["b"].state, trials["b"].value) == (TrialState.COMPLETE, 0.5)
    assert trials["b"].intermediate_values == {1: 0.4, 2: 0.5}
    assert trials["c"].user_attrs["outcome"] == "interrupted"
    assert (trials["d"].state, trials["d"].user_attrs["outcome"]) == (TrialState.FAIL, "killed")
    assert all(trial.datetime_start <= trial.datetime_complete for key, trial in trials.items() if key != "a")


def test_the_end_waits_no_longer_than_it_may(record: Record, tmp_path: Path):
    """A database that takes nothing holds the end up for --drain alone, and what waits is counted."""
    study = held(record, tmp_path)
    client = OptunaClient(record, study)
    client.started(next(record.grid.trials()), "a")
    assert client.close(0.1) == 1
    assert client.notes == ["Optuna: 1 message not sent yet; send it with: ablate sync"]
    study.released.set()


def test_a_database_that_is_lost_for_good_is_a_note(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The command ends well: the files are complete, and `ablate sync` updates Optuna later."""
    study = held(record, tmp_path)
    study.released.set()

    def refuse(self: OptunaStudy) -> None:
        raise OperationalError("", {}, Exception("gone"))

    monkeypatch.setattr(optuna_study, "PATIENCE", 0.0)
    monkeypatch.setattr(OptunaStudy, "_values", refuse)
    monkeypatch.setattr(OptunaStudy, "_fail_abandoned", refuse)
    client = OptunaClient(record, study)
    nothing = SimpleNamespace(study=SimpleNamespace(results={next(record.grid.trials()): DONE}))
    client.agree(nothing, None)  # type: ignore[arg-type]
    assert client.close(60) == 0
    assert "not reachable" in client.notes[0]
    assert "ablate sync" in client.notes[0]


def test_an_error_of_optuna_stops_no_later_message(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An error of Optuna is a note; later messages are written, and no message that failed is called sent."""
    study = held(record, tmp_path)
    study.released.set()
    first, second = record.grid.trials()

    def refuse(self: OptunaStudy, *arguments: object) -> None:
        raise ValueError("no such distribution")

    with monkeypatch.context() as patched:
        patched.setattr(OptunaStudy, "begin", refuse)
        client = OptunaClient(record, study)
        client.started(first, "a")
        client.started(second, "b")
        client.ended("b", DONE)
        assert client.close(60) == 0
    assert client.notes == ["Optuna: no such distribution; update it with: ablate sync"]
    assert [trial.state for trial in stored(record, tmp_path)] == [TrialState.COMPLETE]


def test_a_broken_database_of_the_workspace_is_rebuilt(record: Record, tmp_path: Path):
    """A database that broke, for it is written without waiting for the disk, is rebuilt. The old file is kept next to
    it."""
    workspace, notes = Workspace(tmp_path), []
    OptunaStudy(create(workspace.optuna), record)._storage.engine.dispose()
    workspace.optuna.write_bytes(b"no database at all" * 1000)
    study = open_study(None, workspace, record, notes.append)
    study.agree([(trial, record.trial_key(trial), DONE) for trial in record.grid.trials()])
    assert [trial.state for trial in stored(record, tmp_path)] == [TrialState.COMPLETE] * 2
    assert "rebuilt" in notes[0]
    assert (tmp_path / "optuna-broken.db").read_bytes().startswith(b"no database")


def test_the_workspaces_own_database_waits_for_no_disk(record: Record, tmp_path: Path):
    """One that others share does."""
    own, other = create(tmp_path / "own.db"), create(tmp_path / "other.db")
    for url, shared, synchronous in ((own, False, 0), (other, True, 2)):
        with OptunaStudy(url, record, shared)._storage.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous


def test_databases_on_a_network_file_system_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """SQLite works on local copies, which are copied back at the end, also when the command fails."""
    (tmp_path / "lustre").mkdir()
    mounts = [SimpleNamespace(mountpoint=str(tmp_path / "lustre"), fstype="lustre")]
    monkeypatch.setattr("psutil.disk_partitions", lambda all: mounts)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    workspace, notes = Workspace(tmp_path / "lustre"), []
    for n in range(2):
        with pytest.raises(KeyboardInterrupt), local_copies(workspace, notes.append) as local:  # noqa: PT012
            assert local.optuna.parent != workspace.root
            with sqlite3.connect(local.optuna) as opened:
                opened.execute("CREATE TABLE IF NOT EXISTS t (n)")
                opened.execute("INSERT INTO t VALUES (?)", (n,))
            raise KeyboardInterrupt
    with sqlite3.connect(workspace.optuna) as opened:
        assert opened.execute("SELECT n FROM t").fetchall() == [(0,), (1,)]
    assert "network file system" in notes[0]


def test_a_local_workspace_has_its_databases_in_itself(tmp_path: Path):
    """The databases of a local workspace are in itself, and not copied."""
    with local_copies(Workspace(tmp_path), print) as local:
        assert local.optuna == tmp_path / "optuna.db"
