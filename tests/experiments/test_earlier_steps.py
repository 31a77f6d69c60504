"""Steps of earlier attempts: a command that resumes has one course, as if it had never been stopped."""

from pathlib import Path

import pytest

from ablation import cli
from ablation.experiments.command import earlier_steps
from ablation.experiments.command.printed import Printed
from ablation.store import result
from ablation.store.workspace import Workspace
from ablation.study.experiment_keys import PrintedKeys

SCRIPT = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
start = int(pathlib.Path(sys.argv[4]).read_text()) if sys.argv[3:] else 0
with open(folder / "metrics.jsonl", "w") as file:
    for epoch in range(start + 1, 7):
        numbers = {"epoch": epoch, "val_loss": abs(epoch - 2), "val_first": int(not start), "test_acc": epoch / 8}
        print(json.dumps(numbers), file=file, flush=True)
        print(f"epoch {epoch}: val gain {epoch + 10 * bool(start)}", flush=True)
        if epoch == 2:
            (folder / "2.ckpt").write_text("2")
        if epoch == 4 and not start:
            file.write('{"epoch": 5, "val_lo')
            file.flush()
            sys.exit(75)
"""
STUDY = """
select_on = "val_loss"
[experiment]
command = "python train.py {folder} {width}"
checkpoint = "{folder}/*.ckpt"
resume = "--resume {checkpoint}"
[experiment.results]
file = "{folder}/metrics.jsonl"
[experiment.results.measures]
val_loss = "val_loss"
val_first = "val_first"
test_acc = "test_acc"
val_gain = { stdout = 'val gain (\\S+)', step = 'epoch (\\d+)' }
[one_at_a_time]
width = [2]
[fixed]
width = 1
"""


@pytest.mark.process
@pytest.mark.parametrize(("take", "test"), [("last", 6 / 8), ("best", 2 / 8)])
def test_a_resumed_command_has_one_course(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, take: str, test: float
):  # fmt: skip
    """Steps after the checkpoint are those of the later attempt; the best one may be of the earlier attempt."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "mine.toml").write_text(STUDY.replace("[experiment.results]", f'[experiment.results]\ntake = "{take}"'))
    assert cli.run(["run", "mine.toml", "--inline", "-q", "--trackers", "none"]) == 0
    folder = Workspace(tmp_path / "runs").trainings()[0]
    stored = result.read(folder, 1)
    assert stored
    assert [entry["epoch"] for entry in stored.history] == [1, 2, 3, 4, 5, 6]
    assert [entry["val_first"] for entry in stored.history] == [1, 1, 0, 0, 0, 0]
    assert [entry["val_gain"] for entry in stored.history] == [1, 2, 13, 14, 15, 16]
    assert stored.scores["val"]["loss"] == (0 if take == "best" else 4)
    assert str(test) in (tmp_path / "runs/mine/trials.csv").read_text()
    assert not (folder.child / earlier_steps.NAME).exists()


def test_steps_of_several_attempts_are_joined(tmp_path: Path):
    """Each attempt replaces those that it repeats; an incomplete line is none, and a file may be missing."""
    path = tmp_path / "m.csv"
    for text in ("epoch,x\n1,1\n2,1\n3,", "epoch,x\n2,2\n3,2\n", ""):
        path.write_text(text)
        earlier_steps.keep(path, tmp_path)
    path.unlink()
    earlier_steps.keep(path, tmp_path)
    assert [(step["epoch"], step["x"]) for step in earlier_steps.read(tmp_path)] == [("1", "1"), ("2", "2"), ("3", "2")]
    assert earlier_steps.joined(earlier_steps.read(tmp_path), [{"x": 3}]) == [{"x": 3}]  # without numbers
    earlier_steps.forget(tmp_path)
    assert earlier_steps.read(tmp_path) == []


def test_a_number_that_the_last_attempt_does_not_print_is_missing():
    """An earlier attempt alone gives no number: it did not end well."""
    printed = Printed({"val_x": PrintedKeys(stdout=r"x (\S+)", step=r"step (\d+)")})
    printed.resume(["step 1: x 1", "step 2: x 2"])
    assert (printed.step, printed.names) == (None, set())
    printed.read("step 2: x 3")
    assert printed.steps == {1: {"val_x": 1.0}, 2: {"val_x": 3.0}}
    assert printed.names == {"val_x"}


def test_a_file_without_a_number_of_this_attempt_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The earlier attempt wrote it, but was interrupted."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(
        SCRIPT.replace("        numbers =", "        start and sys.exit(0)\n        numbers =")
    )
    (tmp_path / "mine.toml").write_text(STUDY)
    assert cli.run(["run", "mine.toml", "--inline", "-q", "--trackers", "none"]) == 2
    assert "has no number 'val_loss'; it has" in capsys.readouterr().err
