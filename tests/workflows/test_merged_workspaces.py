"""Workspaces of two machines, copied into one folder: the run there trains nothing."""

import shutil
from pathlib import Path

import pytest
from command_study import STUDY
from conftest import rows

from ablation import cli

TRAIN = """
import json, sys
from pathlib import Path
folder, width, seed = sys.argv[1:4]
with open("trained", "a") as file:
    print(width, seed, file=file)
numbers = {"val_score": int(width) + int(seed) / 10, "test_score": int(width)}
Path(folder, "metrics.json").write_text(json.dumps(numbers))
"""


def run(workspace: str, *options: str) -> int:
    return cli.run(["run", "mine.toml", "--workspace", workspace, "--trackers", "none", "-q", *options])


def test_seeds_of_two_machines_are_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """No trial is trained twice, the table verifies, and a warning says that test results were open before."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(STUDY)
    (tmp_path / "train.py").write_text(TRAIN)
    for workspace, seeds in (("a", "0,"), ("b", "1,")):
        assert run(workspace, "--seeds", seeds) == 0
        shutil.copytree(workspace, "all", dirs_exist_ok=True)
    trained = Path("trained").read_text()
    assert run("all", "--seeds", "2") == 0
    assert Path("trained").read_text() == trained
    assert len(trained.splitlines()) == 6
    assert len(rows(Path("all/mine"))) == 3
    assert "TEST_OPENED_BEFORE_SELECTION" in Path("all/mine/warnings.json").read_text()
    assert cli.run(["verify", "all/mine/table.csv", "--workspace", "all"]) == 0
    assert "cells agree with the results of study mine" in capsys.readouterr().out
