"""`ablate adopt`: trainings from before a factor was added are used for the level that they had."""

import json
from pathlib import Path

import optuna
import pytest
from command_study import STUDY
from mlflow import MlflowClient

from ablation import cli
from ablation.store import aliases
from ablation.store.workspace import Workspace
from ablation.trackers.databases import sqlite_url

SCRIPT = """
import json, sys
folder, width, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
open("starts.log", "a").write(" ".join(sys.argv[2:]) + "\\n")
score = width + seed + 10 * ("--mixup" in sys.argv)
json.dump({"val_score": score, "test_score": score}, open(folder + "/metrics.json", "w"))
"""
FACTOR = "width = { default = 1, from = 1 }\n"
NEW = f'{FACTOR}mixup = {{ default = true, true = "--mixup", false = "" }}\n'
RUN = ["run", "mine.toml", "--inline", "-q", "--trackers", "none", "--code", "keep"]
ADOPT = ["adopt", "mine.toml", "--factor", "mixup=false"]


def with_factor(text: str, **fixed: str) -> str:
    """Return the study file after the factor was added. `fixed`: levels of all rows."""
    levels = "".join(f"{name} = {level}\n" for name, level in fixed.items())
    return text.replace(FACTOR, NEW).replace("{seed}", "{seed} {mixup}") + (f"[fixed]\n{levels}" if levels else "")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Train three rows with two seeds, add a factor to the experiment, and return the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "mine.toml").write_text(STUDY)
    (tmp_path / "other.toml").write_text(STUDY.replace("width = [2, 3]", "width = [2]"))
    assert cli.run(RUN) == 0
    assert cli.run(["run", "other.toml", *RUN[2:]]) == 0
    (tmp_path / "mine.toml").write_text(with_factor(STUDY, mixup="false"))
    return tmp_path


def starts(place: Path) -> int:
    return len((place / "starts.log").read_text().splitlines())


def printed_before(place: Path) -> Path:
    """A copy of the table, as it was printed before anything was adopted."""
    copy = place / "paper.csv"
    copy.write_bytes((place / "runs" / "mine" / "table.csv").read_bytes())
    return copy


def test_adopted_trainings_are_not_trained_again(place: Path, capsys: pytest.CaptureFixture[str]):
    """The refusal names the command; afterwards all rows have their results, and the description has the level."""
    before, old_ids = printed_before(place), {folder.path.name for folder in Workspace(place / "runs").trainings()}
    (place / "mine.toml").write_text(with_factor(STUDY))
    capsys.readouterr()
    assert cli.run(RUN) == 2
    assert "state the level that such trainings had: ablate adopt STUDY --factor mixup=LEVEL" in capsys.readouterr().err
    (place / "mine.toml").write_text(with_factor(STUDY, mixup="false"))
    assert cli.run(ADOPT) == 0
    assert capsys.readouterr().out.splitlines() == [
        "6 trainings had mixup = false; 6 of them renamed (trained/aliases.json)",
        "6 trainings of rows 1 to 3 of mine.toml",
    ]
    folders = Workspace(place / "runs").trainings()
    for folder in folders:
        description = json.loads(folder.description.read_text())
        assert description["condition"]["mixup"] is False
        assert description["key"] == folder.path.name
    noted = aliases.read(Workspace(place / "runs"))
    assert noted.keys() == old_ids
    assert set(noted.values()) == {folder.path.name for folder in folders}
    for table in ("runs/mine/table.csv", "runs/mine/table.md", "runs/other/table.csv", str(before)):
        assert cli.run(["verify", table]) == 0
    assert cli.run(RUN) == 0
    assert starts(place) == 6
    assert cli.run(["verify", str(before)]) == 0


def test_a_study_without_the_factor_keeps_its_rows(place: Path):
    """The trainings of an old study file are found by their old ids, and none is trained again."""
    assert cli.run(ADOPT) == 0
    assert cli.run(["run", "other.toml", *RUN[2:]]) == 0
    assert starts(place) == 6
    assert cli.run(["clean", "trainings", "--yes"]) == 0
    assert cli.run(["verify", "runs/other/table.csv"]) == 0


def test_rows_of_the_new_default_are_other_trainings(place: Path):
    """Rows of the new default would have the ids that the renamed ones left: each gets its own, and both tables
    verify."""
    before = printed_before(place)
    assert cli.run(ADOPT) == 0
    (place / "mine.toml").write_text(with_factor(STUDY) + "mixup = [false]\n")
    assert cli.run(RUN) == 0
    assert starts(place) == 6 + 3 * 2
    assert cli.run(RUN) == 0
    assert starts(place) == 12
    workspace = Workspace(place / "runs")
    assert not {folder.path.name for folder in workspace.trainings()} & aliases.read(workspace).keys()
    for table in ("runs/mine/table.csv", "runs/other/table.csv"):
        assert cli.run(["verify", table]) == 0
    (place / "mine.toml").write_text(with_factor(STUDY, mixup="false"))
    assert cli.run(RUN) == 0
    assert starts(place) == 12
    assert cli.run(["verify", str(before)]) == 0


def test_the_default_can_be_adopted(place: Path, capsys: pytest.CaptureFixture[str]):
    """The ids of earlier trainings that did what the default does stay, and their descriptions get the level."""
    (place / "mine.toml").write_text(with_factor(STUDY))
    capsys.readouterr()
    assert cli.run([*ADOPT[:3], "mixup=true"]) == 0
    assert "6 trainings had mixup = true; 0 of them renamed" in capsys.readouterr().out
    assert cli.run(RUN) == 0
    assert starts(place) == 6


@pytest.mark.parametrize("n_done", [0, 1, 5])
@pytest.mark.parametrize("step", ["description", "rename"])
def test_an_interruption_is_completed(place: Path, monkeypatch: pytest.MonkeyPatch, step: str, n_done: int):
    """The same command again, after the first descriptions or folders, ends as if it had not been interrupted."""
    done: list[Path] = []
    method = "replace" if step == "description" else "rename"
    whole = getattr(Path, method)

    def stopped(path: Path, target: Path) -> Path:
        if step == "rename" or target.name == "training.json":
            if len(done) == n_done:
                raise KeyboardInterrupt
            done.append(path)
        result: Path = whole(path, target)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, stopped)
        assert cli.run(ADOPT) == 130
    assert len(done) == n_done
    assert cli.run(["status"]) == 0  # another command changes nothing, or completes it
    assert cli.run(ADOPT) == 0
    workspace = Workspace(place / "runs")
    assert {folder.path.name for folder in workspace.trainings()} == set(aliases.read(workspace).values())
    assert len(aliases.read(workspace)) == 6
    assert cli.run(RUN) == 0
    assert starts(place) == 6
    assert cli.run(["verify", "runs/other/table.csv"]) == 0


def test_a_second_factor_follows_the_first(place: Path):
    """Aliases lead from the first ids to the last ones, and printed tables of all times verify."""
    before = printed_before(place)
    assert cli.run(ADOPT) == 0
    assert cli.run(RUN) == 0
    text = with_factor(STUDY, mixup="false", depth="4").replace(NEW, NEW + "depth = { default = 5 }\n")
    (place / "mine.toml").write_text(text.replace("{mixup}", "{mixup} {depth}"))
    assert cli.run([*ADOPT[:3], "depth=4"]) == 0
    assert cli.run(RUN) == 0
    assert starts(place) == 6
    workspace = Workspace(place / "runs")
    assert set(aliases.read(workspace).values()) == {folder.path.name for folder in workspace.trainings()}
    for table in (str(before), "runs/mine/table.csv", "runs/other/table.csv"):
        assert cli.run(["verify", table]) == 0


def test_trackers_have_no_row_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Optuna and MLflow have the trials under their old ids, and continue with them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "mine.toml").write_text(STUDY)
    run = [*RUN[:4], "--code", "keep"]
    assert cli.run(run) == 0
    (tmp_path / "mine.toml").write_text(with_factor(STUDY, mixup="false"))
    assert cli.run(ADOPT) == 0
    assert cli.run(run) == 0
    assert starts(tmp_path) == 6
    study = optuna.load_study(study_name="mine", storage=sqlite_url(tmp_path / "runs" / "optuna.db"))
    assert len(study.trials) == 6
    runs = MlflowClient(sqlite_url(tmp_path / "runs" / "mlflow.db")).search_runs(["1"])
    assert len(runs) == 6 + 1  # and their parent


def test_a_second_time_there_is_nothing_to_do(place: Path, capsys: pytest.CaptureFixture[str]):
    """Exit code 0, and no file changes."""
    assert cli.run(ADOPT) == 0
    noted = (place / "runs" / "trained" / "aliases.json").read_bytes()
    capsys.readouterr()
    assert cli.run(ADOPT) == 0
    assert capsys.readouterr().out == "nothing to do: no training was trained before the experiment had mixup\n"
    assert (place / "runs" / "trained" / "aliases.json").read_bytes() == noted


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("mixpu=false", "--factor mixpu: unknown factor 'mixpu'; known factors: width, mixup; nearest: mixup"),
        ("mixup=3", "--factor mixup: 3 is not allowed; allowed: true or false"),
        ("width=0", "--factor width: 0 is not allowed; allowed: a whole number from 1"),
        ("mixup", "--factor mixup: expected factor=level, as in dropout=0.5"),
    ],
)
def test_wrong_levels_are_refused(place: Path, stated: str, message: str, capsys: pytest.CaptureFixture[str]):
    """Wrong levels are refused in one line, with the allowed ones; no folder is renamed."""
    capsys.readouterr()
    assert cli.run([*ADOPT[:3], stated]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
    assert not aliases.read(Workspace(place / "runs"))


def test_a_missing_workspace_is_refused(place: Path, capsys: pytest.CaptureFixture[str]):
    """A missing workspace is refused, and not created."""
    capsys.readouterr()
    assert cli.run([*ADOPT, "--workspace", "nowhere"]) == 2
    assert capsys.readouterr().err == "error: --workspace nowhere: no such folder\n"
    assert not (place / "nowhere").exists()


def test_a_training_that_runs_is_refused(place: Path, capsys: pytest.CaptureFixture[str]):
    """A worker whose command was killed may hold the lock of its training; nothing is changed."""
    (folder, *_) = Workspace(place / "runs").trainings()
    capsys.readouterr()
    with folder.lock():
        assert cli.run(ADOPT) == 2
    assert "a training is still running here; wait for its end" in capsys.readouterr().err
    assert not aliases.read(Workspace(place / "runs"))


def test_a_training_of_the_same_levels_is_refused(place: Path, capsys: pytest.CaptureFixture[str]):
    """The user decides which of two trainings counts; no folder is renamed."""
    assert cli.run(["run", "mine.toml", *RUN[2:], "--name", "new"]) == 0
    assert starts(place) == 12
    capsys.readouterr()
    assert cli.run(ADOPT) == 2
    assert "which has results of its own; move one of the two folders away" in capsys.readouterr().err
    assert not aliases.read(Workspace(place / "runs"))
