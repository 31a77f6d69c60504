"""`[experiment] artifacts`: files of the selected row are artifacts of its MLflow runs."""

import shutil
from pathlib import Path

import pytest
from command_study import STUDY
from mlflow import MlflowClient

from ablation import cli
from ablation.store.workspace import Workspace
from ablation.trackers import mlflow_messages, mlflow_sender
from ablation.trackers.databases import sqlite_url
from ablation.trackers.mlflow_messages import PARENT
from ablation.workflows import artifacts

SCRIPT = """
import json, os, sys
folder, width, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.makedirs(folder + "/plots")
for name in ("model.bin", "plots/curve.png", "plots/steps.png"):
    open(f"{folder}/{name}", "w").write(f"{name} of {width}")
os.symlink(os.path.abspath("secret.txt"), folder + "/plots/secret.png")
os.symlink("curve.png", folder + "/plots/again.png")
json.dump({"val_score": width + seed / 10, "test_score": width}, open(folder + "/metrics.json", "w"))
"""
RUN = ["run", "mine.toml", "--inline", "-q"]
SENT = ["files/plots/again.png", "files/plots/curve.png", "files/plots/steps.png"]


def with_patterns(patterns: str) -> str:
    return STUDY.replace("[experiment]", f"[experiment]\nartifacts = {patterns}", 1)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "mine.toml").write_text(with_patterns('["plots/*.png"]'))
    return tmp_path


def sent(place: Path) -> dict[tuple[str, str], list[str]]:
    """Row and seed of a trial -> paths of the files that MLflow has of it."""
    client = MlflowClient(sqlite_url(place / "runs" / "mlflow.db"))
    runs = [run for run in client.search_runs(["1"]) if "ablate.row" in run.data.tags]
    return {
        (run.data.tags["ablate.row"], run.data.params["seed"]): [
            path for path in _files(client, run.info.run_id, "") if path.startswith("files/")
        ]
        for run in runs
    }


def _files(client: MlflowClient, run: str, folder: str) -> list[str]:
    listed = client.list_artifacts(run, folder)
    below = [path for entry in listed if entry.is_dir for path in _files(client, run, entry.path)]
    return sorted([*below, *(entry.path for entry in listed if not entry.is_dir)])


def test_files_of_the_selected_row_are_sent(place: Path, capsys: pytest.CaptureFixture[str]):
    """The files of all seeds of the selected row alone are sent; a link that leads out of the folder is named, not
    sent."""
    assert cli.run(RUN) == 0
    stored = sent(place)
    assert {trial: files for trial, files in stored.items() if files} == {("3", "0"): SENT, ("3", "1"): SENT}
    assert len(stored) == 6
    printed = capsys.readouterr().err
    assert "plots/secret.png of row 3, seed 0 is not sent: a link leads out of the training's folder" in printed
    assert "again.png" not in printed
    assert not list((place / "runs" / "mlartifacts").rglob("*secret*"))
    (curve, *_) = (place / "runs" / "mlartifacts").rglob("curve.png")
    assert curve.read_text() == "plots/curve.png of 3"


def test_sync_sends_them_later(place: Path):
    """The command `sync` sends the files of a run without trackers, and those of a lost database, from the files
    alone."""
    assert cli.run([*RUN, "--trackers", "none"]) == 0
    assert cli.run(["sync", "--name", "mine"]) == 0
    assert sent(place)["3", "0"] == SENT
    shutil.copytree(place / "runs", place / "copy" / "runs", symlinks=True)
    shutil.rmtree(place / "copy" / "runs" / "mlartifacts")
    (place / "copy" / "runs" / "mlflow.db").unlink()
    assert cli.run(["sync", "--name", "mine", "--workspace", "copy/runs"]) == 0
    assert sent(place / "copy")["3", "1"] == SENT


def test_a_file_that_is_gone_is_missing_in_the_run(place: Path):
    """The other messages are sent; the run has no digest, so that it is sent again with the files that exist then."""
    workspace = Workspace(place / "runs")
    workspace.root.mkdir()
    sender = mlflow_sender.connect(workspace, None, "mine")
    messages = [
        mlflow_messages.run(PARENT, "mine", 1.0, {}, {}),
        mlflow_messages.run("0-1", "row", 1.0, {}, {}),
        mlflow_messages.file("0-1", "plots/a.png", str(place / "a.png")),
        mlflow_messages.end("0-1", 2.0, "FINISHED", state="digest"),
    ]
    sender.send(messages)
    assert sender.states["0-1"] == ""
    (place / "a.png").write_text("a")
    sender.send(messages)
    assert sender.states["0-1"] == "digest"
    client = MlflowClient(sqlite_url(workspace.mlflow))
    assert _files(client, sender.runs["0-1"], "") == ["files/plots/a.png"]


def test_patterns_may_change(place: Path, capsys: pytest.CaptureFixture[str]):
    """A change of patterns is no change of code: no question, no training, and the new files are sent."""
    assert cli.run(RUN) == 0
    (place / "mine.toml").write_text(with_patterns('["plots/curve.png", "*.bin", "*.csv"]'))
    capsys.readouterr()
    assert cli.run(RUN) == 0
    assert "files/model.bin" in sent(place)["3", "0"]
    assert "note: artifacts: '*.csv' matches no file of row 3, seed 0" in capsys.readouterr().err


def test_too_much_is_not_sent(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """No file is sent where they are too many or too large, with their number, their size, and what is allowed."""
    monkeypatch.setattr(artifacts, "MOST", 2)
    assert cli.run(RUN) == 0
    assert not any(sent(place).values())
    error = capsys.readouterr().err
    assert "row 3, seed 1 has 3 files of 0.0 MiB; none is sent, since 2 files of 100 MiB in all are the most" in error


@pytest.mark.parametrize("pattern", ["/etc/*", "../*.png", "plots/../../*", "{folder}/*.png", "", "a**"])
def test_patterns_stay_below_the_folder(place: Path, pattern: str, capsys: pytest.CaptureFixture[str]):
    """Otherwise nothing starts."""
    (place / "mine.toml").write_text(with_patterns(f'["{pattern}"]'))
    assert cli.run(RUN) == 2
    assert (
        f"artifacts: {pattern!r} is not allowed; allowed: a pattern relative to {{folder}}" in capsys.readouterr().err
    )
    assert not (place / "runs").exists()


def test_files_that_are_deleted_at_once_are_refused(place: Path, capsys: pytest.CaptureFixture[str]):
    """`--keep none` deletes them before a row is selected."""
    assert cli.run([*RUN, "--keep", "none"]) == 2
    assert "--keep none deletes the files that [experiment] artifacts names" in capsys.readouterr().err
    assert not (place / "runs").exists()
