"""Macros of numbers for prose: every interval that a table can show, and nothing that a paragraph would print."""

import csv
import re
from pathlib import Path

import pytest
from function_study import CLASSES, CLASSIFIER

from ablation import cli


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a finished study with three seeds."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(CLASSIFIER)
    (tmp_path / "mine.toml").write_text(CLASSES)
    assert cli.run(["run", "mine.toml", "--inline", "--trackers", "none"]) == 0
    return tmp_path / "runs" / "mine"


def test_the_interval_of_the_table_can_be_cited(folder: Path):
    """The interval over seeds and examples has keys of its own; only keys with numbers are listed."""
    text = (folder / "macros.tex").read_text()
    row = next(csv.DictReader((folder / "table.csv").open()))
    low = f"{100 * float(row['test_accuracy_both_low']):.1f}"
    assert f"ablate@1.test_accuracy_both_low\\endcsname{{{low}}}" in text
    assert f"[{low}, " in (folder / "table.md").read_text()
    listed = set(re.findall(r"^%   (\w+)$", text, re.MULTILINE))
    assert listed == set(re.findall(r"ablate@1\.(\w+)\\", text))


def test_no_line_prints_a_space_in_a_paragraph(folder: Path):
    """A line with a command ends with a comment, so that its end is no blank."""
    lines = [line for line in (folder / "macros.tex").read_text().splitlines() if "\\csname" in line]
    assert lines
    assert [line for line in lines if not line.endswith(("%", "\\else"))] == []


def test_a_part_of_the_macros_is_verified(folder: Path, capsys: pytest.CaptureFixture[str]):
    """A paper may keep the numbers that it cites alone; an earlier version had fewer."""
    file = folder / "macros.tex"
    file.write_text("\n".join(line for line in file.read_text().splitlines() if "_both_" not in line))
    assert cli.run(["verify", str(file)]) == 0
    file.write_text(file.read_text().replace("ablate@1.n_test\\endcsname{200}", "ablate@1.n_test\\endcsname{201}"))
    assert cli.run(["verify", str(file)]) == 1
    assert "row 1, n_test" in capsys.readouterr().err
