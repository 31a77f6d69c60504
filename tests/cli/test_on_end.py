"""`ablate run --on-end CMD`: a command that runs once, when the run has ended."""

import os
import signal
from pathlib import Path

import click
import pytest
from conftest import in_process, until
from killed_sweep import Sweep
from stepping_command import prepare

import ablation
from ablation import cli
from ablation.cli import exit_codes
from ablation.errors import AblateError

STUDY = """
select_on = "val_score"
seeds = [0, 1]
[experiment]
command = "sh work.sh {folder} {width} {seed}"
[experiment.results]
file = "{folder}/m.json"
[experiment.results.measures]
val_score = "val"
test_score = "test"
[factorial]
width = [1, 2]
"""
WORK = 'echo "{\\"val\\": $2.$3, \\"test\\": $2.$3}" > $1/m.json\n'
WRITE = 'env | grep -E "^ABLATE_(DONE|EXIT|F|STUDY|SUMMARY)" | sort >> ended'  # appends


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "work.sh").write_text(WORK)
    (tmp_path / "mine.toml").write_text(STUDY)
    return tmp_path


def described(place: Path) -> list[str]:
    return (place / "ended").read_text().splitlines()


def test_the_command_gets_the_end_of_a_run_in_variables(place: Path):
    """The counts and the exit code are sent after a run that did all, and after one with nothing to do."""
    for _ in range(2):
        done = in_process("run", "mine.toml", "--inline", "--trackers", "none", "-q", "--on-end", WRITE, cwd=place)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert described(place) == [
            "ABLATE_DONE=4",
            "ABLATE_EXIT_CODE=0",
            "ABLATE_FAILED=0",
            f"ABLATE_FOLDER={place}/runs/mine",
            "ABLATE_STUDY=mine",
            "ABLATE_SUMMARY=mine: 4 of 4 trials done",
        ]
        (place / "ended").unlink()


def test_rows_that_failed_are_counted(place: Path):
    """Failed rows are in the counts, and the exit code is 1."""
    (place / "work.sh").write_text(f'[ "$2" = 2 ] && exit 7\n{WORK}')
    done = in_process("run", "mine.toml", "--inline", "--trackers", "none", "-q", "--on-end", WRITE, cwd=place)
    assert done.returncode == 1
    assert described(place)[:3] == ["ABLATE_DONE=2", "ABLATE_EXIT_CODE=1", "ABLATE_FAILED=2"]
    assert described(place)[-1] == "ABLATE_SUMMARY=mine: 2 of 4 trials done, 2 failed"


def test_a_run_that_is_interrupted(tmp_path: Path):
    """The command runs after the trainings were saved."""
    sweep = Sweep(prepare(tmp_path, 1000, 4))
    sweep.start("--on-end", WRITE)
    try:
        until(lambda: sweep.ended or sweep.lines("step"))
        os.killpg(sweep.process.pid, signal.SIGINT)
        assert sweep.process.wait() == 130
    finally:
        for left in sweep.processes():
            left.kill()
    assert described(tmp_path)[:3] == ["ABLATE_DONE=0", "ABLATE_EXIT_CODE=130", "ABLATE_FAILED=0"]
    assert described(tmp_path)[-1] == "ABLATE_SUMMARY=mine: 0 of 4 trials done; interrupted"


@pytest.mark.parametrize("wrong", [["--set", "widht=3"], ["--seeds", "x"], ["--strict", "NONE"], ["--timeout", "soon"]])
def test_input_that_is_refused_runs_no_command(place: Path, wrong: list[str]):
    """No run has begun that could end."""
    done = in_process("run", "mine.toml", "--inline", "--trackers", "none", "--on-end", WRITE, *wrong, cwd=place)
    assert (done.returncode, (place / "ended").exists()) == (2, False)


def test_an_error_after_work_has_started_is_an_end(place: Path):
    """A command whose trainings all break the contract stops the run with exit code 2."""
    (place / "work.sh").write_text("exit 127\n")
    done = in_process("run", "mine.toml", "--inline", "--trackers", "none", "-q", "--on-end", WRITE, cwd=place)
    assert done.returncode == 2
    assert described(place)[1] == "ABLATE_EXIT_CODE=2"
    assert described(place)[-1].endswith("; stopped by an error")


def test_a_command_that_fails_changes_no_exit_code(place: Path):
    """The failure is a note."""
    done = in_process("run", "mine.toml", "--inline", "--trackers", "none", "-q", "--on-end", "exit 3", cwd=place)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        0, "note: --on-end: the command ended with exit code 3",
    )  # fmt: skip


def test_from_python(place: Path, monkeypatch: pytest.MonkeyPatch):
    """The command's output is no part of the summary that `ablation.run` reads."""
    monkeypatch.chdir(place)
    command = f"echo printed; {WRITE}"
    table = ablation.run(place / "mine.toml", inline=True, trackers="none", quiet=True, on_end=command)
    assert len(table) == 2
    assert described(place)[-1] == "ABLATE_SUMMARY=mine: 4 of 4 trials done"


@pytest.mark.unit
@pytest.mark.parametrize(
    "error",
    [AblateError("x"), click.UsageError("x"), KeyboardInterrupt(), click.Abort(), ValueError("x"),
     OSError(28, "No space left on device", "f"), OSError(5, "Input/output error", "f")],
    ids=repr,
)  # fmt: skip
def test_exit_codes_are_those_of_the_command(error: BaseException, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The variable has the exit code that the shell gets."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.cli, "main", fail)
    assert cli.run(["run", "mine.toml"]) == exit_codes.of(error)
