"""Steps of a command while it runs: its file is read as it grows, its output as it comes."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from command_study import STUDY
from conftest import until

from ablation.experiments.command import followed_file, live_steps
from ablation.experiments.command.followed_file import FollowedFile
from ablation.experiments.command.live_steps import LiveStep, LiveSteps, stated_total
from ablation.experiments.command.printed import Printed
from ablation.progress import recorder, study_status
from ablation.store.workspace import Workspace
from ablation.study.experiment_keys import ExperimentKeys

SCRIPT = """
import json, pathlib, sys, time
folder, width = pathlib.Path(sys.argv[1]), int(sys.argv[2])
with open(folder / "metrics.jsonl", "w") as file:
    first = [{"epoch": epoch, "val_score": width / 4, "test_score": 0.125} for epoch in (1, 2)]
    print("\\n".join(map(json.dumps, first)), file=file, flush=True)
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
    print(json.dumps({"epoch": 3, "val_score": width, "test_score": 0.125}), file=file)
"""


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live_steps, "LOOK", 0.0)


class Watched:
    """A command's file and output, and the steps that were reported of them."""

    def __init__(self, path: Path | None, levels: Mapping[str, Any], measures: Mapping[str, Any] | None = None) -> None:
        keys = ExperimentKeys.model_validate({"command": "t", "results": {"measures": dict(measures or {})}})
        self.printed = Printed(keys.results.measures)
        self.reported: list[LiveStep] = []
        self._steps = LiveSteps(keys, path, self.printed, levels, self.reported.append)

    def look(self) -> LiveStep:
        self._steps.look()
        return self.reported[-1]


def test_complete_lines_of_a_file_are_reported_once(tmp_path: Path):
    """Step 0 is reported first. Half a line, numbers on test and lines that are no objects are not reported."""
    path = tmp_path / "m.jsonl"
    command = Watched(path, {"epochs": 3, "lr": 0.1})
    assert command.look() == LiveStep(0)
    with open(path, "w") as file:
        print('{"epoch": 1, "val_a": 0.5, "test_a": 0.25}\n7', file=file, flush=True)
        assert command.look() == LiveStep(1, 3, {"val_a": 0.5})
        print('{"epoch": 2, "val', end="", file=file, flush=True)
        command.look()
        assert len(command.reported) == 2
        print('_a": NaN, "loss": 1}', file=file, flush=True)
        assert command.look() == LiveStep(2, 3, {"loss": 1.0})
        print('{"epoch": 4}', file=file, flush=True)
        assert command.look() == LiveStep(4)  # more than all: the level means something else


def test_a_table_whose_rows_are_of_one_step(tmp_path: Path):
    """Lightning writes training and validation on separate rows. A file that is written again starts anew."""
    path = tmp_path / "m.csv"
    command = Watched(path, {}, {"val_loss": "val", "train_loss": "train"})
    path.write_text("step,train,val\n10,1.5,\n10,,0.5\n")
    assert command.look() == LiveStep(10, 0, {"train_loss": 1.5, "val_loss": 0.5})
    path.write_text("val,step\n3,1\n")
    assert command.look() == LiveStep(1, 0, {"val_loss": 3.0})


@pytest.mark.parametrize(
    ("pattern", "levels", "total"),
    [
        (r"epoch (\d+)", {"max_epochs": 9, "steps": 500}, 9),
        (r"epoch (\d+)/(\d+)", {"epochs": 9}, 7),
        (r"it (\d+)", {"epochs": 9, "steps": 500}, 0),
    ],
    ids=["level", "second group", "ambiguous"],
)
def test_printed_steps(pattern: str, levels: Mapping[str, Any], total: int):
    """The number of all steps is a second group of the expression, or the level that is named like the step."""
    command = Watched(None, levels, {"val_loss": {"stdout": r"loss (\S+)", "step": pattern}})
    assert command.look() == LiveStep(0)
    command.printed.read("it 2 epoch 2/7: loss 0.5")
    assert command.look() == LiveStep(2, total, {"val_loss": 0.5})


def test_the_number_of_all_steps_is_stated_by_whole_words():
    """A fraction, a switch and a longer word state nothing; two names contradict each other."""
    assert stated_total({"epochs": 30, "stepsize": 2, "warmup": 3}, "epoch") == 30
    assert stated_total({"train.max_steps": 30}, "") == 30
    assert stated_total({"epochs": 0.5}, "epoch") == stated_total({"epochs": True}, "epoch") == 0
    assert stated_total({"max_epochs": 3, "warmup_epochs": 1}, "epoch") == 0


def test_a_file_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Neither a large file nor a line without an end takes memory or time."""
    monkeypatch.setattr(followed_file, "PART", 10)
    path = tmp_path / "m.jsonl"
    path.write_text("12345\n67890\n1\n" + "x" * 20 + "\n1\n")
    file = FollowedFile(path)
    assert [file.lines() for _ in range(4)] == [["12345"], ["67890", "1"], [], []]


def test_a_pipe_is_not_waited_for(tmp_path: Path):
    """A pipe has no lines: reading it would block the worker, which could then not be stopped."""
    os.mkfifo(tmp_path / "pipe")
    assert FollowedFile(tmp_path / "pipe").lines() == FollowedFile(tmp_path).lines() == []


@pytest.fixture
def running(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """`ablate run` of commands that wait after their second step for a file `go`."""
    (tmp_path / "train.py").write_text(SCRIPT)
    text = STUDY.replace("metrics.json", "metrics.jsonl").replace("[0, 1]", "[0]")
    (tmp_path / "mine.toml").write_text(text.replace("[measures]", "[experiment.settings]\nepochs = 3\n[measures]"))
    command = [sys.executable, "-m", "ablation", "run", "mine.toml", "--slots", "cpu:1", "--trackers", "none"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        yield child
        child.kill()


@pytest.mark.process
def test_status_shows_the_step_of_a_running_command(running: "subprocess.Popen[str]", tmp_path: Path):
    """The status shows the step of all and the number on validation, no time left yet, and no test number."""
    workspace = Workspace(tmp_path / "runs")

    def has_reached() -> bool:
        snapshot = recorder.read(workspace.study("mine"))
        return bool(snapshot and any(slot.epoch == 2 for slot in snapshot.slots))

    until(has_reached)
    status = study_status.read(workspace, "mine")
    assert status.snapshot
    text = study_status.draw(status, workspace, None, status.snapshot.updated)
    assert "step 2 of 3  val 0.25" in text
    assert "0 of 3 trials done, 22 %" in text
    assert "time left unknown" in text
    assert "0.125" not in (tmp_path / "runs/mine/progress.json").read_text()
    (tmp_path / "go").touch()
    assert running.wait(120) == 0
