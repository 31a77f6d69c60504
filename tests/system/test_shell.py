"""What a shell gives and takes: completion, colours, how much is said."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Silent, ablate
from rich.console import Console

from ablation.cli.terminal.progress import Quiet, Verbose
from ablation.progress import recorder
from ablation.store.workspace import StudyFolder

ABLATE = Path(sys.executable).parent / "ablate"


def completed(*words: str) -> list[str]:
    """Return the words that bash would offer for the last word."""
    asked = {"_ABLATE_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run([ABLATE], env=os.environ | asked, capture_output=True, text=True, check=True)
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_commands_and_options_are_completed():
    """The shell completes commands and options, from the command itself."""
    assert {"run", "register", "report"} == set(completed("ablate", "r"))
    assert completed("ablate", "run", "--gr") == ["--grid"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str):
    """`_ABLATE_COMPLETE=bash_source ablate` prints it."""
    env = os.environ | {"_ABLATE_COMPLETE": f"{shell}_source"}
    done = subprocess.run([ABLATE], env=env, capture_output=True, text=True)
    assert "_ABLATE_COMPLETE" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_shows_an_example():
    """The `--help` of every command that is listed shows an example."""
    commands = re.findall(r"(?m)^  (\w+) ", ablate("--help").stdout.partition("Commands:\n")[2])
    assert {"run", "plan", "table", "predict"} <= set(commands)
    assert [name for name in commands if f"  ablate {name}" not in ablate(name, "--help").stdout] == []


def test_the_help_has_whole_sentences():
    """The purpose of a command is not cut at the width of a terminal."""
    text = ablate("--help").stdout
    assert "..." not in text.partition("Commands:")[2]
    assert "classes, splits, copies and leaks" in " ".join(text.split())


def test_how_much_is_said(capsys: pytest.CaptureFixture[str]):
    """Quiet: notes and failures. Verbose: each epoch with its numbers."""
    for watch in (Quiet(Console(stderr=True)), Verbose(Console(stderr=True))):
        watch.say("note: mind this")
        watch.started("a", "row 1", "cpu:0")
        watch.epoch("a", {"epoch": 2, "loss": 0.51234, "time": 1e9}, 10)
        watch.ended("a", "done")
        watch.ended("b", "diverged", "loss is nan")
        lines = capsys.readouterr().err.splitlines()
        if isinstance(watch, Quiet):
            assert lines == ["note: mind this", "b: diverged: loss is nan"]
        else:
            assert "a: epoch 2 of 10: loss 0.5123" in lines
            assert "a: done" in lines


def test_what_was_said_stays(tmp_path: Path):
    """The messages of a run stay in run.log next to the study, with times, without passwords."""
    (tmp_path / "tiny").mkdir()
    with recorder.Recorder(
        Silent(), StudyFolder(tmp_path / "tiny"), command=["run", "--storage", "postgresql://me:pw@db"]
    ) as w:
        w.say("note: mind this")
        w.started("a", "row 1", "cpu:0")
        w.ended("a", "diverged", "loss is nan")
    lines = (tmp_path / "tiny/run.log").read_text().splitlines()
    assert [line[21:] for line in lines[1:]] == [
        "note: mind this",
        "row 1: started on cpu:0",
        "row 1: diverged: loss is nan",
    ]
    assert lines[0].endswith("ablate run --storage postgresql://me:***@db")
