"""Attempts of a command whose worker is killed: they count anew from each new checkpoint."""

from pathlib import Path

import pytest

from ablation import cli
from ablation.engine import attempts
from ablation.experiments.command import checkpoints
from ablation.store.workspace import Workspace

SCRIPT = """
import json, os, pathlib, signal, sys
folder, width = pathlib.Path(sys.argv[1]), int(sys.argv[2])
step = int(pathlib.Path(sys.argv[4]).read_text()) if sys.argv[3:] else 0
if width == 1 or step < 4:
    (folder / "last.ckpt").write_text(str(step + 1 if width == 2 else 1))
    worker = pathlib.Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1]
    os.kill(int(worker), signal.SIGKILL)
    signal.pause()
json.dump({"val_score": step}, open(folder / "metrics.json", "w"))
"""
STUDY = """
select_on = "val_score"
[experiment]
command = "python train.py {folder} {width}"
checkpoint = "{folder}/*.ckpt"
resume = "--resume {checkpoint}"
[experiment.results]
file = "{folder}/metrics.json"
[[rows]]
width = 1
[[rows]]
width = 2
"""


@pytest.mark.process
def test_a_command_that_advances_between_kills_has_more_attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Killed after each of four checkpoints, it is done. One that writes the same again ends after three attempts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "mine.toml").write_text(STUDY)
    assert cli.run(["run", "mine.toml", "--slots", "cpu:2", "-q", "--trackers", "none"]) == 1
    folders = {len(attempts.read(folder)): folder for folder in Workspace(tmp_path / "runs").trainings()}
    assert sorted(folders) == [attempts.TRIES, 5]
    assert folders[5].result(1).is_file()
    assert "its worker was killed" in folders[attempts.TRIES].failure.read_text()


def test_attempts_from_changing_checkpoints_are_limited(tmp_path: Path):
    """A command may write a time into its checkpoint, and never advance."""
    folder = Workspace(tmp_path).training("k")
    folder.path.mkdir(parents=True)
    for number in range(attempts.MOST):
        assert not attempts.used_up(folder, "run", (1,), str(number))
        attempts.add(folder, "run", (1,), str(number))
    assert attempts.used_up(folder, "run", (1,), "next")
    assert not attempts.used_up(folder, "other", (1,), "next")


def test_a_checkpoint_is_identified_by_its_name_and_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The same one written again is no progress. Of a large file and of a folder, sizes and times are compared."""
    path, folder = tmp_path / "last.pt", tmp_path / "step-5"
    path.write_text("1")
    first = checkpoints.mark(path)
    path.write_text("1")
    assert checkpoints.mark(path) == first
    path.write_text("2")
    assert checkpoints.mark(path) != first
    folder.mkdir()
    empty = checkpoints.mark(folder)
    (folder / "model").write_text("1")
    assert checkpoints.mark(folder) != empty
    monkeypatch.setattr(checkpoints, "LARGEST", 0)
    first = checkpoints.mark(path)
    path.write_text("222")
    assert checkpoints.mark(path) != first
    assert checkpoints.mark(tmp_path / "gone")
