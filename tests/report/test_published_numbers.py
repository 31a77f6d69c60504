"""Published numbers of a study of a function: they are compared with those measured, as in the Keras experiment."""

from pathlib import Path

import pytest

from ablation import cli

TRAIN = """
def train(*, width: int = 1, seed: int = 0):
    label = [n % 2 for n in range(100)]
    predicted = [1 - y if n < 40 // width else y for n, y in enumerate(label)]
    return {split: {"label": label, "predicted": predicted} for split in ("val", "test")}
"""
STUDY = """
select_on = "val_accuracy"
[experiment]
function = "train.py:train"
task = "classes"
[[rows]]
width = 1
published = { test_accuracy = 0.61 }
[[rows]]
width = 2
published = { test_accuracy = 0.993, f1 = 0.99 }
"""


@pytest.mark.parametrize("f1", [True, False])
def test_published_numbers_of_a_function_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, f1: bool):
    """Each row has a verdict; F1 is shown where the source states one, in the average that is measured."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "mine.toml").write_text(STUDY if f1 else STUDY.replace(", f1 = 0.99", ""))
    assert cli.run(["run", "mine.toml", "--inline", "--trackers", "none"]) == 0
    table = tmp_path / "runs/mine/tables/reproduction.md"
    header, _, first, second = [line for line in table.read_text().splitlines() if line.startswith("|")]
    assert ("Published (F1, %)" in header, "macro (F1, %)" in header) == (f1, f1)
    assert first.split("|")[2].strip() == "61"
    assert ("≈" in first, "≠" in second) == (True, True)
    assert cli.run(["verify", str(table)]) == 0
