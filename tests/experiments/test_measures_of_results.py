"""Measures follow from what a command writes: which one is compared, and what is no number."""

import csv
from pathlib import Path

import pytest

from ablation import cli

pytestmark = pytest.mark.process
SCRIPT = """
import json, random, sys
folder, width, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
json.dump({"val_auc": 0.5 + 0.1 * width + 0.001 * seed, "test_extra": float("nan") if width == 3 else width / 10.0},
          open(folder + "/metrics.json", "w"))
labels = random.Random(1)
with open(folder + "/test.csv", "w") as file:
    file.write("id,label,predicted,passed\\n")
    for i in range(100):
        label = int(labels.random() < 0.5)
        right = random.Random(f"{i} {width} {seed}").random() < 0.6 + 0.1 * width
        file.write(f"{i},{label},{label if right else 1 - label},{'pass' if right else 'fail'}\\n")
"""
STUDY = """
select_on = "val_auc"
seeds = [0, 1, 2]
[experiment]
command = "python train.py {folder} {width} {seed}"
task = "classes"
[experiment.results]
file = "{folder}/metrics.json"
test = { examples = "{folder}/test.csv" }
[measures]
extra = { best = "high" }
[factorial]
width = [1, 2, 3]
"""
RUN = ["run", "mine.toml", "--inline", "-q", "--trackers", "none"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "mine.toml").write_text(STUDY)
    return tmp_path


def table(place: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((place / "runs" / "mine" / "table.csv").open()))


def test_rows_are_compared_by_a_measure_that_they_have_on_test(place: Path, capsys: pytest.CaptureFixture[str]):
    """The selecting one is on validation alone: it has a column, and accuracy has the differences."""
    assert cli.run(RUN) == 0
    lines = table(place)
    assert [float(line["val_auc"]) for line in lines] == pytest.approx([0.601, 0.701, 0.801])
    assert 0 < float(lines[1]["test_accuracy_low"]) < float(lines[1]["test_accuracy"]) < 1
    assert float(lines[1]["p_holm"]) < 0.05
    assert "Val (AUC)" in (place / "runs" / "mine" / "table.md").read_text()
    assert cli.run(["compare", "1", "2", "--grid", "mine"]) == 0
    assert "Row 2 against row 1" in capsys.readouterr().out


def test_a_test_number_that_is_nan_is_no_number(place: Path):
    """A test number that is NaN is not compared, and no sentence mentions it."""
    (place / "mine.toml").write_text(STUDY + '[table]\nprimary = "test_extra"\n')
    assert cli.run(RUN) == 0
    first, _, last = table(place)
    assert float(first["test_extra"]) == pytest.approx(0.1)
    assert (last["delta_test_extra"], last["p_holm"]) == ("", "")
    assert "row 3 does not differ" not in (place / "runs" / "mine" / "report.html").read_text()


def test_texts_are_no_scores(place: Path, capsys: pytest.CaptureFixture[str]):
    """The column and a value are named, and what is allowed."""
    columns = 'test = { examples = "{folder}/test.csv", columns = { correct = "passed" } }'
    text = STUDY.replace('test = { examples = "{folder}/test.csv" }', columns).replace('task = "classes"\n', "")
    (place / "mine.toml").write_text(text)
    assert cli.run(RUN) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "test.csv: correct holds texts such as" in message
    assert "a score is a number, true or false" in message


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("{width}", "{widht}", "experiment.command: {widht} is no factor and no setting; known: width, "),
        ('file = "{folder}/metrics.json"', 'file = "{folder}/metrics.json"\nmeasures = { val_score = "val_auc" }',
         "select_on: no measure is 'val_auc'; stated: val_score"),
    ],
)  # fmt: skip
def test_misspelt_names_are_refused(
    place: Path, before: str, after: str, message: str, capsys: pytest.CaptureFixture[str]
):
    """A misspelt name is refused before anything runs."""
    (place / "mine.toml").write_text(STUDY.replace(before, after))
    assert cli.run(RUN) == 2
    assert message in capsys.readouterr().err
