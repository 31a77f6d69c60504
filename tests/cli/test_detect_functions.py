"""`ablate plan --detect` of a study whose measures follow from its results."""

from pathlib import Path

import pytest
from function_study import CLASSES, CLASSIFIER

from ablation import cli


def test_sizes_are_estimated_once_results_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """One line says that results are needed where there are none; otherwise seeds and test examples are printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(CLASSIFIER)
    (tmp_path / "mine.toml").write_text(CLASSES)
    assert cli.run(["plan", "mine.toml", "--detect", "1pp"]) == 2
    line = "--detect: the measures of study 'mine' follow from its results, and it has none; run it first"
    assert line in capsys.readouterr().err
    assert cli.run(["run", "mine.toml", "--inline", "--trackers", "none"]) == 0
    capsys.readouterr()
    assert cli.run(["plan", "mine.toml", "--detect", "1pp"]) == 0
    printed = capsys.readouterr().out
    assert "to detect a difference of 1 pp in accuracy with power 0.8" in printed
    assert "seeds in one test" in printed
    assert "200 validation examples" in printed
