"""The lines of `ablate run` and `ablate plan` on trials without a result, or without an estimate."""

from pathlib import Path

import pytest

from ablation import cli

STUDY = """
select_on = "val_score"
seeds = [0]
[experiment]
function = "mine.py:train"
[factorial]
width = [1, 2]
"""
SOURCE = """
def train(width: int = 1, seed: int = 0):
    if width in {FAILING}:
        raise ValueError("no such width")
    return {"val_score": width}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(failing: str) -> None:
    Path("mine.py").write_text(SOURCE.replace("FAILING", failing))
    Path("mine.toml").write_text(STUDY)


@pytest.mark.parametrize(
    ("failing", "code", "line"),
    [
        ("0,", 0, "trained 2 trials"),
        ("2,", 1, "trained 1 of 2 trials; 1 without a result"),
        ("1, 2", 1, "trained 0 of 2 trials; 2 without a result"),
    ],
)
def test_only_trials_with_a_result_count_as_trained(
    failing: str, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last lines of a run count the trials that have a result, and those that have none."""
    write(failing)
    assert cli.run(["run", "mine.toml", "--trackers", "none", "--inline"]) == code
    assert line in capsys.readouterr().out.splitlines()


def test_a_plan_without_times_does_not_say_what_fits(capsys: pytest.CaptureFixture[str]) -> None:
    """The column `fits` is unknown before the first training, as the time is."""
    write("0,")
    assert cli.run(["plan", "mine.toml", "--budget", "2h"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.split()[-2:] == ["time", "fits"]
    assert [line.split()[-2:] for line in lines[:2]] == [["?", "?"], ["?", "?"]]


def test_a_plan_has_no_empty_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    """The line on the disk states the total alone, where no kind of file needs space."""
    write("0,")
    assert cli.run(["run", "mine.toml", "--trackers", "none", "--inline", "-q"]) == 0
    Path("mine.toml").write_text(STUDY.replace("[1, 2]", "[1, 2, 3]"))
    capsys.readouterr()
    assert cli.run(["plan", "mine.toml"]) == 0
    assert " at the peak; " in capsys.readouterr().out
