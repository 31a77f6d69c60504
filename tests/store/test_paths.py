"""Names of folders and files as people give them: characters that mean something in a URL, and names that are long."""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import optuna
import pytest
from conftest import STUDY, ablate, in_process, write_npz
from mlflow import MlflowClient

from ablation import cli
from ablation.analysis import external_evaluation
from ablation.analysis.external_evaluation import ExternalEvaluation
from ablation.errors import AblateError
from ablation.store.files import MAX_NAME, read_json, short_name, write_json
from ablation.store.workspace import StudyFolder, Workspace, check_name
from ablation.trackers import mlflow_messages, mlflow_sender
from ablation.trackers import optuna_study as views_study
from ablation.trackers.databases import sqlite_url
from ablation.trackers.mlflow_messages import PARENT
from ablation.workflows import evaluation as production

ODD = ["a?b", "a#b", "a%b", "a%3Fb", "a%%(x)s", "a b ", "a'b", 'a"b', "a+b", "a&b=c", "a;b", "a:b@c", "a\\b", "a{b}$X",
       "a[b", "h\u00fc", "hu\u0308", "\u8868\U0001f600", "a\nb", ":memory:", "file:a", "?", "~"]  # fmt: skip
ALL = "a?b#c%d%3F e'f\"g+h\u00fc&i=j;k:l@m[n]{o}$"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow's, which takes seconds to make."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow_sender.create(path)
    return path


@pytest.mark.parametrize("name", ODD)
def test_databases_lie_in_the_workspace_whatever_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Path, name: str
):
    """Optuna and MLflow write their databases and files there, find them again, and write nothing outside."""
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(Path(name) / "w")
    workspace.root.mkdir(parents=True)
    for _ in range(2):
        optuna.create_study(storage=views_study.create(workspace.optuna), study_name="s", load_if_exists=True)
    shutil.copy(database, workspace.mlflow)
    for text in ("first", "second"):
        sender = mlflow_sender.connect(workspace, None, "s")
        sender.send([mlflow_messages.run(PARENT, "s", 1.0, {}, {}), mlflow_messages.text(PARENT, "page.md", text)])
    files = [path.read_text() for path in workspace.artifacts.rglob("page.md")]
    assert (files, [p.name for p in tmp_path.iterdir()]) == (["second"], [name])
    assert {p.name for p in workspace.root.iterdir()} == {"mlartifacts", "mlflow.db", "optuna.db"}
    optunas, mlflows = (sqlite3.connect(path.absolute()) for path in (workspace.optuna, workspace.mlflow))
    with contextlib.closing(optunas), contextlib.closing(mlflows):
        assert optunas.execute("SELECT study_name FROM studies").fetchall() == [("s",)]
        assert mlflows.execute("SELECT name FROM runs").fetchall() == [("s",)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, npz: Path) -> Path:
    """A folder in which a study was run, in a workspace whose path holds every character of ODD."""
    place, study = tmp_path_factory.mktemp("place"), tmp_path_factory.mktemp("study") / "tiny.toml"
    study.write_text(STUDY)
    at = ("--grid", study, "--workspace", f"{ALL}/w", "--inline")
    for says in ("trained 4 trials", "nothing to train"):
        done = in_process("run", "--data", npz, *at, cwd=place)
        assert (done.returncode, says in done.stdout, "MLflow:" in done.stderr) == (0, True, False), done.stderr
    return place


def test_a_study_is_run_in_a_workspace_of_any_name(place: Path):
    """The whole command, twice: the second run reuses all of the first, and no file is outside."""
    assert [p.name for p in place.iterdir()] == [ALL]
    workspace = Workspace(place / ALL / "w")
    study = optuna.load_study(study_name="tiny", storage=sqlite_url(workspace.optuna))
    assert [trial.state.name for trial in study.get_trials()] == ["COMPLETE"] * 4
    client = MlflowClient(sqlite_url(workspace.mlflow))
    runs = client.search_runs([client.get_experiment_by_name("ablate").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 5
    assert len(list(workspace.artifacts.rglob("table.csv"))) == 1


def test_a_workspace_that_no_url_can_name_is_refused(tmp_path: Path, study_file: Path, npz: Path):
    """A path of bytes that are no UTF-8: one line, and nothing is written."""
    place = os.fsdecode(os.fsencode(tmp_path / "r") + b"\xff")
    done = ablate("run", "--grid", study_file, "--data", npz, "--inline", "--workspace", place)
    assert (done.returncode, "the path is not UTF-8" in done.stderr) == (2, True), done.stderr
    assert [p.name for p in tmp_path.iterdir()] == [study_file.name]


@pytest.mark.parametrize("letter", ["x", "\u00fc", "\u8868", "\U0001f600"])
def test_long_names_are_cut_and_stay_distinct(letter: str):
    """Bytes are counted, not letters; a letter is never cut in two; what is short stays as it is."""
    longs = [short_name(letter * 300 + end, 100) for end in ("", "a", "b")]
    assert all(60 < len(name.encode()) <= 100 and name.startswith(letter * 20) for name in longs)
    assert len(set(longs)) == 3
    assert short_name(letter * 25, 100) == letter * 25


@pytest.mark.parametrize("name", ["n" * 255, "n" * 251 + ".csv", "\u8868" * 85])
def test_a_file_whose_name_is_as_long_as_may_be_is_written(tmp_path: Path, name: str):
    """The temporary name of a file with the longest allowed name is not longer."""
    write_json(tmp_path / name, {"a": 1})
    assert read_json(tmp_path / name) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["\u8868" * 86, "n" * 101])
def test_a_study_name_that_no_folder_can_have_is_refused(name: str):
    """A hundred letters may be more bytes than a folder's name takes."""
    with pytest.raises(AblateError, match="too long; pass --name with at most 100 letters"):
        check_name(name)
    check_name("\u8868" * 85)


def evaluation(name: str, data: str) -> ExternalEvaluation:
    of = {
        "name": name,
        "data": data,
        "split": "all",
        "row": 1,
        "seed": 0,
        "trial": "t",
        "measured": 1.0,
        "train": (1, 1),
    }
    labels, probabilities = np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])
    return external_evaluation.measure(of, ("a", "b"), labels, probabilities, (labels, labels))


@pytest.mark.parametrize("letter", ["x", "\u8868"])
def test_long_names_of_data_become_names_of_files(tmp_path: Path, letter: str):
    """Folders that differ in their last letter, or in where they lie, have files of their own, each of which fits."""
    folder, longest = StudyFolder(tmp_path), letter * (255 // len(letter.encode()))
    names = {}
    for data in (f"/a/{longest}", f"/b/{longest}", f"/a/{longest[:-1]}y", "/a/faces", "/b/faces"):
        names[data] = production._name(folder, data, "test", 12)
        external_evaluation.write(folder, evaluation(names[data], data))
        assert production._name(folder, data, "test", 12) == names[data]
    assert len({external_evaluation.key_of(name) for name in names.values()}) == 5
    for name in names.values():
        assert len(f".tmp-4194304-{external_evaluation.key_of(name)}.tex".encode()) <= MAX_NAME
        assert len(f"production/{name}/weighted_f1") <= 250
    assert names["/a/faces"] == "faces-test-row-12"


def test_evaluate_takes_data_with_a_long_name(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The whole command: its tables are written, `verify` accepts them, and MLflow receives them."""
    runs, other = place / ALL / "w", write_npz(tmp_path / f"{'x' * 240}.npz")
    grid = next(place.parent.glob("study*/tiny.toml"))
    done = in_process("evaluate", "--grid", grid, "--inline", "--workspace", runs, "--data", other, cwd=tmp_path)
    assert (done.returncode, "MLflow" in done.stderr) == (0, False), done.stderr
    (table,) = (runs / "tiny/tables").glob("production_x*.tex")
    assert cli.run(["verify", str(table)]) == 0, capsys.readouterr()


@pytest.mark.parametrize(
    "arguments",
    [["data", "demo", "--sheet", "s" * 300 + ".png"], ["predict", "demo", "--grid", "paper", "-o", "s" * 300],
     ["status", "--workspace", "w" * 300], ["table", "--grid", "paper", "--workspace", "w" * 300],
     ["run", "--grid", "paper", "--data", "demo", "--inline", "--workspace", "w" * 300],
     ["run", "--grid", "paper", "--data", "d" * 300, "--inline"], ["new", "n" * 300 + ".toml"]],
)  # fmt: skip
def test_a_name_that_no_file_can_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
):
    """One line is printed before any work, with exit code 2."""
    monkeypatch.chdir(tmp_path)
    code, printed = cli.run(arguments), capsys.readouterr()
    assert (code, printed.out, len(printed.err.splitlines())) == (2, "", 1), printed
    assert list(tmp_path.iterdir()) == []
