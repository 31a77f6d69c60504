"""What a newcomer runs into with an own command: each mistake is answered with the way out."""

import csv
from pathlib import Path

import pytest
from command_study import STUDY

from ablation import cli
from ablation.study.experiment_keys import ExperimentKeys

SCRIPT = """
import json, sys
folder, width = sys.argv[1], int(sys.argv[2])
json.dump({"val_score": width / 8, "test_score": width / 8}, open(folder + "/metrics.json", "w"))
with open(folder + "/test.csv", "w") as file:
    file.write("id,label,predicted\\n" + "".join(f"{i},{i % 2},{int(i % (9 + width) > 3)}\\n" for i in range(60)))
print("accuracy: none")
"""
SEEDLESS = STUDY.replace(" {seed}", "").replace("seeds = [0, 1]\n", "")
RUN = ["run", "mine.toml", "--inline", "-q", "--trackers", "none"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "mine.toml").write_text(SEEDLESS)
    return tmp_path


@pytest.mark.parametrize("command", [["run", "--trackers", "none", "--inline"], ["try"], ["check"]], ids=lambda c: c[0])
def test_a_select_on_that_the_results_lack(place: Path, command: list[str], capsys: pytest.CaptureFixture[str]):
    """`try` and `check` say it as `run` does: exit code 2, and the numbers that there are."""
    text = SEEDLESS.replace('"val_score"', '"val_loss"').replace('[measures]\nscore = { best = "high" }\n', "")
    (place / "mine.toml").write_text(text)
    assert cli.run([command[0], "mine.toml", *command[1:]]) == 2
    error = capsys.readouterr().err
    assert "select_on: the results have no val_loss; they have val_score" in error


def test_a_command_without_a_seed_is_told_to_take_one(place: Path):
    """--seeds 5 alone would be refused. The words are those of runs, not of trained models."""
    examples = 'test = { examples = "{folder}/test.csv" }\n[fixed]\n'
    text = SEEDLESS.replace('file = "{folder}/metrics.json"\n[measures]\nscore = { best = "high" }\n', examples)
    text = text.replace('"val_score"', '"none"')
    (place / "mine.toml").write_text(text.replace("[experiment]", '[experiment]\ntask = "classes"'))
    assert cli.run(RUN) == 0
    folder = place / "runs" / "mine"
    warnings, table = (folder / "warnings.json").read_text(), (folder / "table.md").read_text()
    assert "Rows 1 to 3 have one run." in warnings
    assert "Add {seed} to the command and run with --seeds 5" in warnings
    assert "they describe these runs, not the settings" in warnings
    assert "One run per row" in table
    assert "are about these 3 runs;" in table
    assert "trained" not in table.replace("trained/", "")
    assert {line["parameters"] for line in csv.DictReader((folder / "trials.csv").open())} == {""}


def test_whether_a_command_takes_a_seed():
    """Doubled braces are no name; a plug-in takes one."""
    for command, takes in (("t {seed}", True), (["t", "a={{{seed}}}"], True), ("t {{seed}}", False), ("t", False)):
        assert ExperimentKeys.model_validate({"command": command}).takes_seed is takes
    assert ExperimentKeys().takes_seed


def test_a_missing_file_of_results(place: Path, capsys: pytest.CaptureFixture[str]):
    """The files that the command did write are listed."""
    (place / "mine.toml").write_text(SEEDLESS.replace("/metrics.json", "/metric.json"))
    assert cli.run(RUN) == 2
    error = capsys.readouterr().err
    assert "metric.json; files in its folder: metrics.json, test.csv; its log: " in error


def test_an_expression_without_a_match(place: Path, capsys: pytest.CaptureFixture[str]):
    """An expression without a match is named, with the log of the output."""
    for stdout, message in (
        (r"'acc=(\S+)'", r"no line of the output matches 'acc=(\S+)' (log: "),
        (r"'accuracy: (\S+)'", r"'accuracy: (\S+)' matches 'none', which is no number (log: "),
    ):
        measures = f"measures = {{ val_score = {{ stdout = {stdout} }} }}"
        (place / "mine.toml").write_text(SEEDLESS.replace('file = "{folder}/metrics.json"', measures))
        assert cli.run(RUN) == 2
        error = capsys.readouterr().err
        assert message in error
        assert Path(error.partition("(log: ")[2].partition(")")[0]).is_file()


def test_a_regular_expression_in_double_quotes(place: Path, capsys: pytest.CaptureFixture[str]):
    """TOML reads backslashes there."""
    (place / "mine.toml").write_text(r'x = "(\S+)"')
    assert cli.run(RUN) == 2
    assert r"; write text with backslashes in single quotes, as in '(\S+)'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "try", "plan"])
def test_a_command_without_a_study(place: Path, command: str, capsys: pytest.CaptureFixture[str]):
    """The study files of the folder are named, in the exact command."""
    (place / "pyproject.toml").touch()
    assert cli.run([command]) == 2
    assert f"; in this folder: `ablate {command} mine.toml`" in capsys.readouterr().err
    (place / "mine.toml").unlink()
    assert cli.run([command]) == 2
    assert "in this folder" not in capsys.readouterr().err


def test_the_folder_of_a_failed_trial_is_named(place: Path, capsys: pytest.CaptureFixture[str]):
    """The files of a failed trial stay, in a temporary folder that is named."""
    (place / "train.py").write_text("raise SystemExit(3)")
    assert cli.run(["try", "mine.toml"]) == 1
    folder = Path(capsys.readouterr().err.partition("kept: ")[2].strip())
    assert list(folder.glob("trained/*/child/log"))


def test_titles_in_the_note_on_equal_levels(place: Path):
    """A factor has the title that the study file states, as in the headings."""
    (place / "mine.toml").write_text(
        SEEDLESS.replace("[experiment.factors]", '[experiment.factors]\ndepth_of = { default = 2, title = "Depth" }')
    )
    assert cli.run(RUN) == 0
    assert "The same in all rows: Depth 2" in (place / "runs" / "mine" / "table.md").read_text()


def test_a_level_that_adds_no_row_is_noted(place: Path, capsys: pytest.CaptureFixture[str]):
    """A level of one_at_a_time that the first row has already."""
    (place / "mine.toml").write_text(SEEDLESS.replace("width = [2, 3]", "width = [1, 2]"))
    assert cli.run(RUN) == 0
    assert "note: one_at_a_time.width: 1 is the level of the first row, and adds no row" in capsys.readouterr().err


def test_a_table_of_two_studies(place: Path, capsys: pytest.CaptureFixture[str]):
    """A table is of one study: the message says how several become one."""
    for name in ("a", "b"):
        (place / f"{name}.toml").write_text(SEEDLESS)
        assert cli.run(["run", f"{name}.toml", *RUN[2:]]) == 0
    assert cli.run(["table", "a,b"]) == 2
    assert "a,b: name one study; `ablate run` draws several as one table" in capsys.readouterr().err
