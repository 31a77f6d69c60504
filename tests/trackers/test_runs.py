"""What MLflow holds of a study, whatever it missed: a real store, filled from files."""

import json
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import trainer
from conftest import STUDY, Silent, options
from mlflow import MlflowClient
from synthetic import published, sealed, study

from ablation import cli, urls
from ablation.analysis.held_out import held_out
from ablation.outcomes import Status
from ablation.report import build
from ablation.store import result
from ablation.store.result import Result
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.trackers import mlflow_sender, mlflow_tracker
from ablation.trackers.databases import sqlite_url
from ablation.trackers.mlflow_runs import MlflowRuns
from ablation.trackers.mlflow_sender import Sender
from ablation.trackers.mlflow_tracker import Tracker
from ablation.workflows import sync
from ablation.workflows.publish import for_trackers
from ablation.workflows.run_study import run_study


class Held:
    """The runs in MLflow of a workspace's study. `rows`: run of each row."""

    def __init__(self, place: Path, name: str = "paper") -> None:
        self.client = MlflowClient(sqlite_url(place / "mlflow.db"))
        experiment = self.client.get_experiment_by_name("ablate").experiment_id
        runs = self.client.search_runs([experiment], f"tags.`ablate.study` = '{name}'", max_results=1000)
        self.parent = next(run for run in runs if not run.data.tags["ablate.trial"])
        self.rows = {int(run.data.tags["ablate.row"]): run for run in runs if "ablate.row" in run.data.tags}
        self.count = len(runs)

    def files(self, run: object) -> set[str]:
        return {file.path for file in self.client.list_artifacts(run.info.run_id)}

    def points(self) -> list[tuple[str, str, int, float]]:
        """Return the points of all curves, in order; twice where one is stored twice."""
        return sorted(
            (run.info.run_name, name, point.step, point.value)
            for run in self.rows.values()
            for name in run.data.metrics
            for point in self.client.get_metric_history(run.info.run_id, name)
        )


SMALL = {"support": (200, 300), "classes": ("anger", "fear")}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without runs: made once, for that takes seconds."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    mlflow_sender.create(path)
    return path


def paper(place: Path, empty: Path, without: int = 0) -> Workspace:
    """Write the paper's rows with the published numbers, on few images; one row may be missing."""
    grid = study_file.read("paper")
    accuracy = {row: scores for row, scores in published(grid).items() if row != without}
    workspace = sealed(place, study(place, grid, accuracy, **SMALL))
    shutil.copy(empty, workspace.mlflow)
    return workspace


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory, empty: Path) -> SimpleNamespace:
    """Send the paper's study, whose last row failed, to MLflow."""
    workspace = paper(tmp_path_factory.mktemp("tracked"), empty, without=9)
    grid = study_file.read("paper")
    study = build.records.need(workspace, "paper")
    last = next(grid.seeded(9))
    error = "Traceback:\nRuntimeError: the disk is on fire"
    result.write(
        workspace.training(study.training_key(last)), Result(Status.FAILED, 100, error=error, started=1, finished=2)
    )
    assert sync.sync(workspace, "paper", None) == sync.Synced("paper", 0, "")
    return SimpleNamespace(workspace=workspace, record=study, held=Held(workspace.root))


def test_rows_are_named_by_what_differs(tracked):
    """Rows are named by their differences to the reference, in the words of the table."""
    names = [tracked.held.rows[row].info.run_name for row in range(1, 10)]
    assert names[:4] == ["lr 1e-3", "reference", "batch 128", "batch 128, lr 1e-3"]
    assert names[4:] == ["epochs 100", "batch 128, epochs 100", "fc 2048", "fc 8192", "epochs 100, fc 8192"]


def test_parameters_line_up(tracked):
    """Every row has every factor, and the seed, in the same words as the table."""
    keys = {tuple(sorted(run.data.params)) for run in tracked.held.rows.values()}
    assert keys == {tuple(sorted([*study_file.read("paper").rows[0], "seed"]))}
    assert tracked.held.rows[1].data.params["learning_rate"] == "1e-3"


def test_metrics_are_final_best_and_by_epoch(tracked):
    """The last epoch of each split, the best epoch of validation, and a point an epoch."""
    row = tracked.held.rows[5]
    assert row.data.metrics["final/test_accuracy"] == pytest.approx(0.966, abs=2e-3)
    assert row.data.metrics["best/val_accuracy"] == pytest.approx(0.967)
    points = tracked.held.client.get_metric_history(row.info.run_id, "val_accuracy")
    assert [point.step for point in points] == list(range(1, 101))


def test_images_are_an_input_with_our_digest(tracked):
    """The data set is an input of the study and of each row, for train, val and test."""
    for run in (tracked.held.parent, *tracked.held.rows.values()):
        (dataset,) = run.inputs.dataset_inputs
        assert (dataset.dataset.name, dataset.dataset.digest) == ("faces", tracked.record.inputs.images)
        assert dataset.tags[0].value == "train, val, test"
        assert json.loads(dataset.dataset.profile)["classes"] == list(tracked.record.inputs.classes)


def test_the_selected_row_is_tagged(tracked):
    """The selected row alone is tagged; the study names it, and how it was chosen."""
    assert [row for row, run in tracked.held.rows.items() if run.data.tags.get("ablate.selected") == "True"] == [5]
    tags = tracked.held.parent.data.tags
    assert tags["ablate.selected_row"] == "5"
    assert "Selected: row 5 (epochs 100), highest validation accuracy" in tags["mlflow.note.content"]


def test_the_study_has_table_report_and_confusion_matrix(tracked):
    """Table, report and confusion matrix are the parent's artifacts; a row has its own confusion matrix."""
    assert {"report.html", "table.csv", "table.tex", "table.md", "warnings.json", "confusion_matrix_test.html"} <= (
        tracked.held.files(tracked.held.parent)
    )
    assert tracked.held.files(tracked.held.rows[1]) == {"confusion_matrix_test.html"}


def test_a_failed_row_is_failed_and_says_why(tracked):
    """A failed row has its reason as a tag, and as the description that MLflow shows; the study has failed with it."""
    failed = tracked.held.rows[9]
    assert (failed.info.status, tracked.held.parent.info.status) == ("FAILED", "FAILED")
    assert failed.data.tags["ablate.reason"] == "RuntimeError: the disk is on fire"
    assert failed.data.tags["mlflow.note.content"] == "failed: RuntimeError: the disk is on fire"


def test_what_failed_once_says_so_no_more(tracked):
    """The run of a row that is done at last is FINISHED, without a reason; another selection moves the tag; no point is
    twice."""
    workspace, grid = tracked.workspace, study_file.read("paper")
    accuracy = {**published(grid), 9: (0.99, 0.99, 0.98)}
    sealed(workspace.root, study(workspace.root, grid, accuracy, **SMALL))
    for _ in range(2):
        assert sync.sync(workspace, "paper", None).waiting == 0
    held = Held(workspace.root)
    assert (held.count, held.rows[9].info.status, held.parent.info.status) == (10, "FINISHED", "FINISHED")
    assert (held.rows[9].data.tags["ablate.reason"], held.rows[9].data.tags["mlflow.note.content"]) == ("", "")
    assert [row for row, run in held.rows.items() if run.data.tags["ablate.selected"] == "True"] == [9]
    points = held.points()
    assert len(points) == len(set(points))


ALL = 4 * 360 + 9 * 20  # curves of 360 epochs in all, and what each row has at its end


def test_sync_fills_an_empty_server(tmp_path, empty, capsys, monkeypatch):
    """An empty server is filled from files alone; one that has everything is not changed, and no message waits."""
    workspace = paper(tmp_path / "runs", empty)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert cli.run(["sync"]) == 0
        assert capsys.readouterr().out == "paper: Optuna and MLflow are up to date\n"
    held = Held(workspace.root)
    assert (held.count, len(set(held.points())), len(held.points())) == (10, ALL, ALL)
    assert not workspace.study("paper").outbox.exists()


def test_sync_where_mlflow_is_down_says_so(tmp_path, empty, capsys, monkeypatch):
    """Exit code 1; what waits is kept; another run in the workspace is refused."""
    workspace = paper(tmp_path / "runs", empty)
    monkeypatch.chdir(tmp_path)
    assert cli.run(["sync", "--tracking", "http://127.0.0.1:1"]) == 1
    assert "messages not sent yet" in capsys.readouterr().err
    assert workspace.study("paper").outbox.exists()
    with workspace.lock():
        assert cli.run(["sync"]) == 2
    assert "in use by another ablate" in capsys.readouterr().err


def test_a_server_that_fails_in_the_middle_has_nothing_twice(tmp_path, empty, monkeypatch):
    """A message that was sent before the server failed, or while it did, is sent again and stored once."""
    workspace = paper(tmp_path / "runs", empty)
    real, calls, failing = Sender._send_points, [], (2, 20)

    def send(self: Sender, key: str, points: list) -> None:
        real(self, key, points)
        calls.append(key)
        if len(calls) in failing:
            raise ConnectionError("gone")

    monkeypatch.setattr(Sender, "_send_points", send)
    waiting = [sync.sync(workspace, "paper", None).waiting for _ in range(3)]
    assert (waiting[-1], len(calls) > max(failing)) == (0, True)
    held = Held(workspace.root)
    assert (held.count, len(set(held.points())), len(held.points())) == (10, ALL, ALL)


def test_a_server_that_never_answers_holds_nothing_up(tmp_path, empty, monkeypatch):
    """The end of a run alone waits for such a server, once, for PATIENCE; missing messages are sent later."""
    workspace, for_ever = paper(tmp_path / "runs", empty), threading.Event()
    drawing = build.rebuild(workspace, "paper", build.RenderOptions())
    with monkeypatch.context() as patched:
        patched.setattr(mlflow_tracker, "PATIENCE", 0.2)
        tracker = Tracker(workspace.study("paper").outbox, lambda: for_ever.wait() and None)
        runs = MlflowRuns(drawing.study.record, tracker)
        runs.agree(for_trackers(drawing), held_out(workspace, drawing.study))
        assert (runs.close(), tracker.error) == (3, "no answer")
    for_ever.set()
    assert sync.sync(workspace, "paper", None).waiting == 0
    assert Held(workspace.root).count == 10


SECRET = "correct-horse-battery-staple"


def test_a_secret_of_the_environment_is_written_nowhere(npz, tmp_path, monkeypatch):
    """MLflow's own variables hold credentials: no file of the workspace holds them after a run and a sync."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "PGPASSWORD"):
        monkeypatch.setenv(name, SECRET)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/how").write_text("")
    (tmp_path / "tiny.toml").write_text(STUDY + trainer.PLUGIN)
    watch = Silent()
    command = ("run", "--tracking", "http://127.0.0.1:1")
    chosen = options(tmp_path / "tiny.toml", npz, tmp_path / "runs", tracking="http://127.0.0.1:1", command=command)
    run_study(chosen, watch)
    sync.sync(Workspace(tmp_path / "runs"), "tiny", None)
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert len(files) > 30
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
    assert any("MLflow: " in line for line in watch.lines)
    assert SECRET not in "".join(watch.lines)


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--grid", "smoke"],
        ["plan", "--grid", "smoke"],
        ["sync"],
        ["ui"],
        ["register", "m", "--grid", "smoke"],
        ["evaluate", "--data", "demo", "--grid", "smoke"],
    ],
)
def test_a_password_in_a_servers_address_is_refused(command, capsys):
    """A password in an address, which lists of processes and shells' histories would show, is refused; variables are
    named."""
    assert cli.run([*command, "--tracking", f"http://me:{SECRET}@127.0.0.1:1"]) == 2
    printed = capsys.readouterr().err
    assert "MLFLOW_TRACKING_PASSWORD" in printed
    assert SECRET not in printed


def test_a_password_in_a_databases_address_is_written_nowhere(npz, tmp_path, capsys):
    """The password is neither in the error nor in the command that a run notes in the workspace."""
    url = f"postgresql://me:{SECRET}@127.0.0.1:1/optuna"
    (tmp_path / "tiny.toml").write_text(STUDY)
    study = ["--grid", str(tmp_path / "tiny.toml"), "--data", str(npz), "--workspace", str(tmp_path / "runs")]
    assert cli.run(["run", *study, "--inline", "--storage", url]) == 2
    printed = capsys.readouterr().err
    assert "--storage: Optuna's database cannot be opened" in printed
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"postgresql://me:***@127.0.0.1:1/optuna" in path.read_bytes() for path in files)
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
    assert SECRET not in printed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+psycopg://me:pa@ss@host:5432/db failed", "postgresql+psycopg://me:***@host:5432/db failed"),
        ("--storage=mysql://me:secret@host/db", "--storage=mysql://me:***@host/db"),
        ("http://:token@host and https://a:b@c", "http://:***@host and https://a:***@c"),
        ("tcp://host:8786 sqlite:////data/a:b@c.db me@host:/x", "tcp://host:8786 sqlite:////data/a:b@c.db me@host:/x"),
    ],
)
def test_passwords_are_masked(text, shown):
    """Passwords are masked in addresses alone."""
    assert urls.masked(text) == shown
